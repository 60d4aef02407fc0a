"""A process that is forked (fork_server.py) says and does what one does that is started in the usual way."""

import signal
from pathlib import Path

import psutil
import pytest
from integration.processes import start_worker, worker_process


@pytest.mark.parametrize(
    ("arguments", "env", "code"),
    [
        (("check-config",), {"NPS_TOPIC_PREFIX": "other"}, 0),
        (("run",), {"NPS_SMTP__PORT": "many"}, 2),
        (("scores", "--window"), {}, 2),
        (("publish", "nowhere.jsonl"), {}, 2),
    ],
)
async def test_it_says_the_same_and_ends_with_the_same_code(
    arguments: tuple[str, ...], env: dict[str, str], code: int
) -> None:
    usual = await start_worker(*arguments, env=env, fresh=True)
    forked = await start_worker(*arguments, env=env)

    assert (code, code) == (await usual.exited(), await forked.exited())
    assert usual.lines == forked.lines != []


async def test_a_signal_ends_it_and_is_its_code(tmp_path: Path, unused_tcp_port: int) -> None:
    env = {"NPS_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{unused_tcp_port}", "NPS_STATUS_FILE": str(tmp_path / "status")}
    async with worker_process("run", env=env) as process:
        await process.said("not reachable")
        assert not process.ended
        assert await process.end(signal.SIGKILL) == -signal.SIGKILL


async def test_it_does_not_outlive_what_has_forked_it(tmp_path: Path, unused_tcp_port: int) -> None:
    env = {"NPS_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{unused_tcp_port}", "NPS_STATUS_FILE": str(tmp_path / "status")}
    async with worker_process("run", env=env) as process:
        await process.said("not reachable")
        worker = psutil.Process(process.pid)
        keeper = worker.parent()
        assert keeper is not None
        keeper.kill()
        assert await process.exited() == -signal.SIGKILL
        worker.wait(10)
