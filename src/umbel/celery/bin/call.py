"""``celery call``: as Celery has it, where a task need not be known to be called."""

from typing import Any

import click

from umbel.cli.call import document, moment
from umbel.cli.find import application, refuse_unreachable
from umbel.cli.group import Command


@click.command("call", cls=Command)
@click.argument("name")
@click.option("-a", "--args", callback=document(list, "JSON list"), help="Positional arguments as a JSON list.")
@click.option("-k", "--kwargs", callback=document(dict, "JSON object"), help="Keyword arguments as a JSON object.")
@click.option("--eta", callback=lambda _context, _parameter, text: moment(text), help="Run at this time (ISO 8601).")
@click.option("--countdown", type=float, help="Run in so many seconds.")
@click.option(
    "--expires", callback=lambda _context, _parameter, text: moment(text), help="Do not run after so many seconds."
)
@click.option("--serializer", default="json", help="How the arguments are encoded.")
@click.option("--queue", help="Send it to this queue.")
@click.option("--exchange", help="Send it to this exchange.")
@click.option("--routing-key", help="Send it with this routing key.")
def command(name: str, args: list[Any], kwargs: dict[str, Any], **options: Any) -> None:
    """Call the task NAME, known here or not, and print the id of the call."""
    if isinstance(options["eta"], float):
        raise click.BadParameter(f"{options['eta']} is no time; for seconds from now there is --countdown")
    app = application()
    refuse_unreachable(app)
    given = {option: value for option, value in options.items() if value is not None}
    click.echo(app.send_task(name, args, kwargs, **given).id)
