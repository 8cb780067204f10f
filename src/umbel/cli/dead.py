"""``umbel dead``: the messages that are not run again by themselves."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from umbel.broker.base import Admin
from umbel.cli.desk import ask
from umbel.cli.find import application
from umbel.cli.group import Group
from umbel.cli.letters import Choice, choice_of, choice_options
from umbel.cli.screen import json_option, note, refuse, show_json, show_table
from umbel.core.delivery import DeadLetter, Loss
from umbel.runtime.clock import SYSTEM

limit_option = click.option(
    "-n", "--limit", default=100, show_default=True, type=click.IntRange(1), help="At most so many."
)
ids_argument = click.argument("ids", nargs=-1, metavar="ID...")
all_option = click.option("--all", "everything", is_flag=True, help="All of them.")


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
@click.argument("letter_id", metavar="ID")
@json_option
def show(letter_id: str, as_json: bool) -> None:
    """All that is known of one: why, the traceback, the workers lost with it."""
    letter = fetch([letter_id])[0]
    if as_json:
        show_json(plain(letter))
        return
    for name, value in plain(letter).items():
        if value in (None, "", []):
            continue
        text = "\n".join(map(lost, letter.history)) if name == "history" else str(value).rstrip()
        click.echo(f"{name:<10} {text.replace(chr(10), chr(10) + ' ' * 11)}")


@command.command("retry")
@ids_argument
@all_option
@choice_options
@json_option
def retry(
    ids: tuple[str, ...], everything: bool, task: str | None, exception: str | None, since: str | None, as_json: bool
) -> None:
    """Put them back into their queues, with a fresh count of losses."""
    letters = pick(ids, choice_of(task, exception, since, SYSTEM.now()), everything=everything)
    count = ask(application(by_broker=True), lambda keeper: keeper.revive(letters))
    report(count, "sent again", as_json=as_json)


@command.command("delete")
@ids_argument
@all_option
@choice_options
@json_option
def delete(
    ids: tuple[str, ...], everything: bool, task: str | None, exception: str | None, since: str | None, as_json: bool
) -> None:
    """Forget them."""
    letters = pick(ids, choice_of(task, exception, since, SYSTEM.now()), everything=everything)
    count = ask(application(by_broker=True), lambda keeper: keeper.discard(letters))
    report(count, "deleted", as_json=as_json)


def show_all(limit: int, *, as_json: bool) -> None:
    """List the newest letters."""
    letters = fetch(None, limit)
    if as_json:
        show_json([plain(letter) for letter in letters])
    elif letters:
        rows = [
            (letter.id, task_of(letter), letter.queue, letter.reason, letter.detail, when(letter.at))
            for letter in letters
        ]
        show_table(("id", "task", "queue", "reason", "detail", "at"), rows)
    else:
        note("no dead letters")


def fetch(ids: Sequence[str] | None, limit: int = 100) -> list[DeadLetter]:
    """The letters named, all of which must be there; or the newest."""

    async def question(keeper: Admin) -> list[DeadLetter]:
        return await keeper.dead(ids=ids, limit=limit)

    found = ask(application(by_broker=True), question)
    for wanted in ids or ():
        if not any(wanted in (letter.id, task_id_of(letter)) for letter in found):
            refuse(f"no dead letter {wanted!r}; umbel dead lists them")
    return found


def pick(ids: Sequence[str], choice: Choice, *, everything: bool) -> list[str]:
    """The ids of the letters that a command is about."""
    if (everything or bool(choice)) == bool(ids) or (everything and choice):
        raise click.UsageError("name the letters by their ids, or say --all, or which: --task, --exception, --since")
    letters = fetch(ids or None, 1_000_000)
    return [letter.id for letter in letters if choice.takes(letter)]


def report(count: int, done: str, *, as_json: bool) -> None:
    """Say how many."""
    if as_json:
        show_json({"count": count})
    else:
        click.echo(f"{count:,} {done}")


def plain(letter: DeadLetter) -> dict[str, Any]:
    """A letter as JSON and as a list of lines have it."""
    headers = letter.message.headers if letter.message else None
    return {
        "id": letter.id,
        "task": headers.task if headers else None,
        "task_id": headers.id if headers else None,
        "args": headers.argsrepr if headers else None,
        "kwargs": headers.kwargsrepr if headers else None,
        "queue": letter.queue,
        "reason": letter.reason,
        "detail": letter.detail,
        "at": when(letter.at),
        "traceback": letter.traceback,
        "raw": letter.raw.decode(errors="backslashreplace") if letter.raw else None,
        "history": list(letter.history),
    }


def lost(loss: Loss) -> str:
    """One loss in a line."""
    how = (
        f"signal {loss.signal}"
        if loss.signal
        else f"exit code {loss.exitcode}"
        if loss.exitcode is not None
        else "lost"
    )
    return " ".join(filter(None, [when(loss.at), loss.node, f"pid {loss.pid}" if loss.pid else "", how, loss.why]))


def task_of(letter: DeadLetter) -> str:
    """The task's name, where there is one."""
    return letter.message.headers.task if letter.message else "?"


def task_id_of(letter: DeadLetter) -> str | None:
    """The task's id, where there is one."""
    return letter.message.headers.id if letter.message else None


def when(at: float) -> str:
    """Wall seconds as a time of day in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(sep=" ", timespec="seconds")
