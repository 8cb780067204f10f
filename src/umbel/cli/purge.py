"""``umbel purge``: delete what waits."""

import click

from umbel.broker.base import Admin
from umbel.cli.desk import ask, chosen, depths, names, purge
from umbel.cli.find import application
from umbel.cli.group import Command
from umbel.cli.screen import json_option, note, show_json


@click.command("purge", cls=Command)
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("-Q", "--queues", help="Only these (a,b).")
@click.option("-X", "--exclude-queues", help="All but these (a,b).")
@json_option
def command(force: bool, queues: str | None, exclude_queues: str | None, as_json: bool) -> int:
    """Delete the messages that wait in queues. What a worker holds, and what is dead, stays."""
    app = application(by_broker=True)
    found = {depth.queue: depth.ready + depth.delayed for depth in depths(app)}
    targets = chosen(sorted(found), names(queues), names(exclude_queues))
    waiting = sum(found[name] for name in targets)
    listed = ", ".join(targets) or "no queue"
    if not force:
        question = (
            f"This deletes {waiting:,} waiting message{'s' * (waiting != 1)} from {listed} at {app.broker.url}. Go on?"
        )
        if not click.confirm(question, err=True):
            note("nothing was deleted")
            return 1

    async def purge_all(keeper: Admin) -> dict[str, int]:
        return {name: await purge(keeper, name) for name in targets}

    deleted = ask(app, purge_all)
    if as_json:
        show_json(deleted)
    else:
        total = sum(deleted.values())
        click.echo(f"deleted {total:,} message{'s' * (total != 1)} from {listed}")
    return 0
