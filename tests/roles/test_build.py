"""The list of roles: every place that knows the roles knows the same ones, and each is built of its services."""

from typing import get_args

import pytest

from worker import topic_plan
from worker.clock import SystemClock
from worker.kafka import topics
from worker.roles import NAMES, Role, names
from worker.roles.build import ROLES, build
from worker.roles.courier import Courier
from worker.service import Background
from worker.settings import Settings
from worker.streams.lane import RestatesView
from worker.streams.shell import Shell


def test_every_role_is_listed_once_and_has_its_tables_and_permissions() -> None:
    assert tuple(ROLES) == NAMES
    assert set(NAMES) == topics.TABLES.keys() == topic_plan._READS.keys() == topic_plan._WRITES.keys()
    assert (*NAMES, "all") == get_args(Role)
    assert (*NAMES, "all", "publisher") == get_args(topic_plan.Role)


@pytest.mark.parametrize("role", NAMES)
def test_a_process_runs_the_role_that_is_asked_for_or_all(role: Role) -> None:
    assert names(role) == (role,)
    assert names("all") == NAMES


async def test_what_a_worker_of_all_roles_consists_of() -> None:
    built = build("all", Settings.model_construct(), topics.Found("cluster", 1), SystemClock())

    assert {role: [type(service) for service in services] for role, services in built.items()} == {
        "process": [Shell, Background, Background, Background],
        "notify": [Shell, Background, Courier],
        "watches": [Background, Background],
    }


async def test_the_courier_hears_of_the_rows_of_the_outbox_and_a_view_of_those_it_shows() -> None:
    built = build("all", Settings.model_construct(), topics.Found("cluster", 1), SystemClock())
    tables = {
        name: [type(observer) for observer in table._observers]
        for services in built.values()
        for service in services
        if isinstance(service, Shell)
        for name, table in service.tables.items()
    }

    assert tables == {"contacts": [], "segments": [RestatesView], "watches": [], "outbox": [Courier]}
