"""``umbel migrate``: carry what waits to another broker."""

import asyncio

import click

from umbel import Umbel
from umbel.broker.lookup import open_broker
from umbel.cli.desk import chosen, depths, names
from umbel.cli.group import Command
from umbel.cli.screen import json_option, note, refuse, show_json
from umbel.worker.mover import Mover


@click.command("migrate", cls=Command)
@click.argument("source")
@click.argument("destination")
@click.option("-n", "--limit", type=click.IntRange(1), help="Move at most so many messages.")
@click.option("-Q", "--queues", help="Only these (a,b); a:b moves queue a into queue b.")
@click.option("-T", "--tasks", help="Only messages of these tasks (a,b).")
@json_option
def command(
    source: str, destination: str, limit: int | None, queues: str | None, tasks: str | None, as_json: bool
) -> int:
    """Carry what waits at SOURCE, delayed messages too, to DESTINATION. Both are broker URLs.

    What workers hold and what is dead stays. Stop the workers of SOURCE first, or they will go on taking from it. A
    kill in the middle may send some messages twice, with the same id, and loses none: start it again.
    """
    if source == destination:
        refuse("source and destination are the same broker")
    with Umbel("migrate", broker=source, backend="disabled://", set_as_current=False) as app:
        wanted = frozenset(names(tasks))
        mover = Mover(
            app.broker,
            open_broker(destination),
            renamed=plan(app, queues),
            wanted=lambda task: not wanted or task in wanted,
        )
        asyncio.run(mover.run(limit=limit))
    if as_json:
        show_json({"moved": mover.moved, "left": mover.left})
        return 0
    click.echo(f"moved {mover.moved:,} message{'s' * (mover.moved != 1)} to {destination}")
    if mover.left:
        note(f"left {mover.left:,} where they were: other tasks, or no messages that can be read")
    return 0


def plan(app: Umbel, text: str | None) -> dict[str, str]:
    """Source queue to destination queue: all of them, or what ``-Q`` says."""
    known = [depth.queue for depth in depths(app)]
    pairs = dict(pair.partition(":")[::2] for pair in names(text))
    only = chosen(known, list(pairs), [])
    return {name: pairs.get(name) or name for name in only}
