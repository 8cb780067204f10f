"""Commands of Celery's that are not built yet: each says so in one line. Does nothing else."""

from typing import NoReturn

import click

from umbel.celery.platforms import EX_UNAVAILABLE

INSTEAD = {
    "inspect": "remote control is not built yet; until then `celery queues`, `celery tasks`, `celery dead`",
    "control": "remote control is not built yet; until then `celery tasks revoke ID`, and signals",
    "status": "remote control is not built yet; until then `celery queues`",
    "events": "task events are not built yet; until then `celery queues`",
    "graph": "Umbel's workers have no boot steps to draw",
    "amqp": "no adapter for RabbitMQ is built yet",
    "flower": "task events and remote control are not built yet; until then `celery queues`, `celery dead`",
}


class NotYet(click.ClickException):
    """A command that comes later."""

    exit_code = EX_UNAVAILABLE


class Later(click.Command):
    """Takes every word, and does nothing with it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take them all."""
        return []


@click.command("later", cls=Later, add_help_option=False)
@click.pass_context
def command(context: click.Context) -> NoReturn:
    """Comes later."""
    name = str(context.info_name)
    raise NotYet(f"the command {name} comes later: {INSTEAD[name]}")
