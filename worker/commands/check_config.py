"""`check-config`: what the settings come to, or what is wrong with which of them."""

import argparse

from worker.commands.asking import SETTINGS_HELP, Commands, Exit, with_settings
from worker.settings import Settings


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "check-config", help="check the settings and say what they come to", epilog=SETTINGS_HELP
    )
    parser.set_defaults(run=with_settings(_check))


def _check(asked: argparse.Namespace, settings: Settings) -> int:
    del asked
    print(_summary(settings))
    return Exit.FINE


def _summary(settings: Settings) -> str:
    kafka, smtp = settings.kafka, settings.smtp
    return "\n".join(
        [
            f"kafka    {kafka.bootstrap_servers} ({kafka.security_protocol}), group {kafka.group}",
            f"topics   {settings.topic_prefix}.*",
            f"mail     {smtp.host}:{smtp.port} (tls: {smtp.tls}), from {settings.email.sender}",
            *(
                f"route    {route.name}: {route.segment or 'every segment'}, "
                f"{' or '.join(route.kinds) + ', ' if route.kinds else ''}{route.min_severity} and up, "
                f"{len(route.to)} receiver{'s' if len(route.to) > 1 else ''}"
                for route in settings.email.all_routes()
            ),
            "settings are fine",
        ]
    )
