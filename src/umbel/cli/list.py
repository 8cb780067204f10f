"""``umbel list bindings``: which exchange and routing key lead to which queue."""

import click

from umbel.cli.find import application
from umbel.cli.group import Group
from umbel.cli.screen import json_option, show_json
from umbel.cli.tables import show_table
from umbel.core.queues import Exchange, Link


@click.group("list", cls=Group)
@click.pass_context
def command(context: click.Context) -> None:
    """List the bindings of queues."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@command.command("bindings")
@json_option
def bindings(as_json: bool) -> None:
    """The declared queues with the exchange and routing key that lead to each."""
    rows = [
        {"queue": queue.name, "exchange": link.exchange.name, "routing_key": link.routing_key}
        for queue in application().queues_by_name.values()
        for link in queue.links or (Link(Exchange(), queue.routing_key or queue.name),)
    ]
    if as_json:
        show_json(rows)
    else:
        shown = [(row["queue"], row["exchange"] or "(default)", row["routing_key"]) for row in rows]
        show_table(("queue", "exchange", "routing key"), shown)
