"""``umbel queues``: what waits, per queue."""

import click

from umbel.cli.desk import depths
from umbel.cli.find import application
from umbel.cli.group import Command
from umbel.cli.screen import json_option, show_json
from umbel.cli.tables import show_table

COUNTS = ("ready", "delayed", "claimed", "dead", "consumers")


@click.command("queues", cls=Command)
@json_option
def command(as_json: bool) -> None:
    """What waits, is delayed, is held by workers and is dead, per queue; and how many processes read it."""
    found = depths(application(by_broker=True))
    if as_json:
        show_json(found)
    else:
        rows = [(depth.queue, *(getattr(depth, count) for count in COUNTS)) for depth in found]
        show_table(("queue", *COUNTS), rows, numbers=COUNTS)
