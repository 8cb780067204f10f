"""``umbel dead``: the messages that are not run again by themselves. The words of ``app.dead`` on a command line."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from umbel.app import coroutine
from umbel.app.argsrepr import short
from umbel.app.dead import Dead, Letter
from umbel.cli.find import application
from umbel.cli.group import Group
from umbel.cli.screen import json_option, limit_option, note, refuse, show_json
from umbel.cli.tables import show_table
from umbel.core.delivery import Loss
from umbel.core.letters import instant
from umbel.runtime.children import signal_name

F = TypeVar("F", bound=Callable[..., Any])


def since_of(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """A span or a time, which ``app.dead`` reads again."""
    try:
        if text is not None:
            instant(text, 0.0)
    except ValueError:
        raise click.BadParameter(f"{text}: not a span (30m, 2h, 7d) nor a date and time (2026-01-31T08:00)") from None
    return text


def choosing(function: F) -> F:
    """Ids, or what else says which letters."""
    for option in (
        json_option,
        click.option("--since", callback=since_of, metavar="T", help="Since then: 30m, 2h, 7d ago, or a time in UTC."),
        click.option("--exception", metavar="NAME", help="Those that failed with it."),
        click.option("--task", metavar="NAME", help="Those of this task."),
        click.option("--all", is_flag=True, help="All of them."),
        click.argument("ids", nargs=-1, metavar="ID..."),
    ):
        function = option(function)
    return function


@click.group("dead", cls=Group)
@limit_option
@json_option
@click.pass_context
def command(context: click.Context, limit: int, as_json: bool) -> None:
    """Dead letters: alone, list them. An ID is that of the letter or of the task."""
    if context.invoked_subcommand is None:
        show_all(limit, as_json=as_json)


@command.command("list")
@limit_option
@json_option
def list_(limit: int, as_json: bool) -> None:
    """The newest first."""
    show_all(limit, as_json=as_json)


@command.command("show")
@click.argument("id", metavar="ID")
@json_option
def show(id: str, as_json: bool) -> None:
    """All that is known of one: why, its arguments, the traceback, the workers lost with it."""
    letter = of_broker(lambda dead: dead.get(id))
    known = plain(letter)
    if as_json:
        show_json(known)
        return
    known["history"] = "\n".join(map(lost, letter.history))
    for name, value in known.items():
        if value not in (None, ""):
            click.echo(f"{name:<10} {str(value).rstrip().replace(chr(10), chr(10) + ' ' * 11)}")


@command.command("retry")
@choosing
def retry(ids: tuple[str, ...], as_json: bool, **which: Any) -> None:
    """Put them back into their queues, with a fresh count of losses."""
    report(of_broker(lambda dead: dead.retry(ids, **which)), "sent again", as_json=as_json)


@command.command("delete")
@choosing
def delete(ids: tuple[str, ...], as_json: bool, **which: Any) -> None:
    """Forget them."""
    report(of_broker(lambda dead: dead.delete(ids, **which)), "deleted", as_json=as_json)


T = TypeVar("T")


def of_broker(question: Callable[[Dead], T]) -> T:
    """What ``app.dead`` answers; what it does not take is an error of the command's."""
    try:
        return question(application(by_broker=True).dead)
    except KeyError as error:
        refuse(f"{error.args[0]}; umbel dead lists them")
    except ValueError as error:
        raise click.UsageError(f"{error} (--all; --task, --exception, --since)") from None


def show_all(limit: int, *, as_json: bool) -> None:
    """List the newest letters."""
    letters = of_broker(lambda dead: coroutine.run(dead.alist(limit)))
    if as_json:
        show_json([plain(letter) for letter in letters])
    elif letters:
        rows = [(one.id, one.task or "?", one.queue, one.reason, one.detail, when(one.at)) for one in letters]
        show_table(("id", "task", "queue", "reason", "detail", "at"), rows)
    else:
        note("no dead letters")


def report(count: int, done: str, *, as_json: bool) -> None:
    """Say how many."""
    if as_json:
        show_json({"count": count})
    else:
        click.echo(f"{count:,} {done}")


def plain(letter: Letter) -> dict[str, Any]:
    """A letter as JSON and as a list of lines have it."""
    headers = letter.headers
    args, kwargs = arguments(letter)
    return {
        "id": letter.id,
        "task": letter.task,
        "task_id": letter.task_id,
        "args": args,
        "kwargs": kwargs,
        "queue": letter.queue,
        "reason": letter.reason,
        "detail": letter.detail,
        "at": when(letter.at),
        "retries": headers.retries or None if headers else None,
        "origin": headers.origin if headers else None,
        "traceback": letter.traceback,
        "raw": letter.raw.decode(errors="backslashreplace") if letter.raw else None,
        "history": [happened(loss) for loss in letter.history],
    }


def arguments(letter: Letter) -> tuple[str | None, str | None]:
    """As text: as the message shows them, or else from its body, if it may be read here."""
    headers = letter.headers
    if headers is None or (headers.argsrepr is not None and headers.kwargsrepr is not None):
        return (headers.argsrepr, headers.kwargsrepr) if headers else (None, None)
    try:
        return short(tuple(letter.args)), short(letter.kwargs)
    except Exception as error:  # noqa: BLE001  a serializer is user code; the rest is worth showing
        return f"<{error}>", None


def happened(loss: Loss) -> dict[str, Any]:
    """One loss, as JSON has it."""
    return {
        "at": when(datetime.fromtimestamp(loss.at, UTC)),
        "node": loss.node,
        "pid": loss.pid,
        "signal": signal_name(loss.signal) if loss.signal else None,
        "exitcode": loss.exitcode,
        "why": loss.why,
    }


def lost(loss: Loss) -> str:
    """One loss in a line."""
    known = happened(loss)
    code = f"exit code {loss.exitcode}" if loss.exitcode is not None else ""
    pid = f"pid {loss.pid}" if loss.pid else ""
    how = known["signal"] or code
    why = "" if how and how in loss.why else how
    return " ".join(filter(None, [known["at"], loss.node, pid, loss.why, why]))


def when(at: datetime) -> str:
    """To the second, in UTC."""
    return at.isoformat(sep=" ", timespec="seconds")
