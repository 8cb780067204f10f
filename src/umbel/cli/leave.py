"""``umbel leave``: the way back to Celery."""

import click

from umbel.broker.base import Admin, WayBack
from umbel.cli.desk import ask
from umbel.cli.find import application
from umbel.cli.group import Command
from umbel.cli.screen import json_option, refuse, show_json


@click.command("leave", cls=Command)
@json_option
def command(as_json: bool) -> int:
    """Give messages that wait for their time back to the queues, where Celery workers find them with their ETA.

    Stop Umbel's workers first: what they hold goes back when they stop, and a worker that still runs takes delayed
    messages out of the queues again. Where a Celery worker has been, the last Umbel worker to stop does all this too.
    """
    app = application(by_broker=True)

    async def leave(keeper: Admin) -> int:
        if not isinstance(keeper, WayBack):
            refuse(f"nobody but Umbel reads {app.broker.url}: there is nothing to give back")
        return await keeper.leave()

    count = ask(app, leave)
    if as_json:
        show_json({"given back": count})
    else:
        click.echo(f"gave {count:,} delayed message{'s' * (count != 1)} back to the queues at {app.broker.url}")
    return 0
