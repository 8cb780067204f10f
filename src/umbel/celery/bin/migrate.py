"""``celery migrate``: ``umbel migrate``, which moves messages; Celery's copies them unless it is told otherwise."""

from typing import Any

import click

from umbel.cli import migrate
from umbel.cli.group import Command
from umbel.cli.worker import not_built

LATER: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("-t", "--timeout"), {"type": float}),
    (("-F", "--forever"), {"is_flag": True}),
)


@click.command("migrate", cls=Command)
@click.argument("source")
@click.argument("destination")
@click.option("-n", "--limit", type=click.IntRange(1), help="Move at most so many messages.")
@click.option("-Q", "--queues", help="Only these (a,b); a:b moves queue a into queue b.")
@click.option("-T", "--tasks", help="Only messages of these tasks (a,b).")
@click.option("-a", "--ack-messages", is_flag=True, help="Move them: nothing stays at SOURCE.")
@click.pass_context
def command(context: click.Context, /, ack_messages: bool, **options: Any) -> Any:
    """Move what waits at SOURCE to DESTINATION. Both are broker URLs."""
    if not ack_messages:
        raise click.UsageError("messages are moved, and not copied as Celery does without -a: say -a if that is meant")
    return context.invoke(migrate.command, as_json=False, **options)


for spelled, kind in LATER:
    command = click.option(*spelled, expose_value=False, hidden=True, callback=not_built, **kind)(command)
