"""``umbel call``: send one call of a task, and wait for its result if asked to."""

import re
from datetime import datetime
from typing import Any

import click
import msgspec

from umbel.cli.find import application, find_task, load_tasks, refuse_unreachable
from umbel.cli.group import Command
from umbel.cli.result import show_end
from umbel.cli.screen import json_option, refuse, show_json

NUMBER = re.compile(r"-(\d|\.\d|inf)")
KEYWORD = re.compile(r"([^\W\d]\w*)=(.*)", re.DOTALL)


def literal(text: str) -> Any:
    """A word of the command line as a value: JSON if it is JSON, else the text itself."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def arguments(words: tuple[str, ...]) -> tuple[list[Any], dict[str, Any]]:
    """The bare words as positional arguments and, where they read ``name=value``, as keyword arguments."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        if word.startswith("-") and len(word) > 1 and not NUMBER.match(word):
            raise click.NoSuchOption(word.partition("=")[0])
        if named := KEYWORD.fullmatch(word):
            kwargs[named[1]] = literal(named[2])
        else:
            args.append(literal(word))
    return args, kwargs


def moment(text: str | None) -> float | datetime | None:
    """Seconds from now, or a time in ISO 8601. Raises ``BadParameter``."""
    if text is None:
        return None
    for read in (float, datetime.fromisoformat):
        try:
            return read(text)
        except ValueError:
            continue
    raise click.BadParameter(f"{text!r} is neither a number of seconds nor a time such as 2026-11-20T15:00:00+00:00")


def document(kind: type, form: str) -> Any:
    """The reader of an option that takes a whole JSON value."""

    def read(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Any:
        if text is None:
            return kind()
        try:
            return msgspec.json.decode(text, type=kind)
        except msgspec.DecodeError as error:
            raise click.BadParameter(f"{text!r} is no {form}: {error}") from None

    return read


@click.command("call", cls=Command, context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("words", nargs=-1, metavar="[ARGUMENT | KEY=VALUE]...")
@click.option("-a", "--args", callback=document(list, "JSON list"), help="Positional arguments as a JSON list.")
@click.option("-k", "--kwargs", callback=document(dict, "JSON object"), help="Keyword arguments as a JSON object.")
@click.option("--eta", help="Run at this time (ISO 8601).")
@click.option("--countdown", type=float, help="Run in so many seconds.")
@click.option("--expires", help="Do not run after so many seconds, or after this time.")
@click.option("--serializer", help="How the arguments are encoded.")
@click.option("--queue", help="Send it to this queue.")
@click.option("--exchange", help="Send it to this exchange.")
@click.option("--routing-key", help="Send it with this routing key.")
@click.option("--priority", type=click.IntRange(0, 9), help="0 (last) to 9 (first).")
@click.option("-w", "--wait", is_flag=True, help="Wait for the result and print it.")
@click.option("-t", "--timeout", type=float, metavar="SECONDS", help="Wait no longer than this.")
@json_option
def command(
    name: str,
    words: tuple[str, ...],
    args: list[Any],
    kwargs: dict[str, Any],
    wait: bool,
    timeout: float | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Call the task NAME (or the only one that ends in .NAME) and print the id of the call.

    Each ARGUMENT is read as JSON, or else taken as text: umbel -A tasks call add 2 2 --wait
    """
    app = application()
    load_tasks(app)
    refuse_unreachable(app)
    task = find_task(app, name)
    more, named = arguments(words)
    given = {key: value for key, value in options.items() if value is not None}
    for key in ("eta", "expires"):
        if key in given:
            given[key] = moment(given[key])
    if isinstance(given.get("eta"), float):
        raise click.BadParameter(f"{given['eta']} is no time; for seconds from now there is --countdown")
    if wait and app.store is None:
        refuse(f"{app.main} keeps no results, so there is nothing to wait for: set result_backend")
    try:
        call = task.apply_async(args=(*args, *more), kwargs={**kwargs, **named}, **given)
    except TypeError as error:
        refuse(str(error))
    if not wait:
        show_json({"id": call.id}) if as_json else click.echo(call.id)
        return 0
    if not as_json:
        click.echo(call.id)
    call.get(timeout=timeout, propagate=False)
    return show_end(call, as_json=as_json)
