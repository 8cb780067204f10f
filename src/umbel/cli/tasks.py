"""``umbel tasks``: the tasks that the application knows, and orders about calls of them."""

from collections.abc import Sequence

import click

from umbel.app.parameters import signature_of
from umbel.cli.ending import check_signal
from umbel.cli.find import application, load_tasks
from umbel.cli.group import Group
from umbel.cli.screen import json_option, note, show_json
from umbel.cli.tables import show_table


@click.group("tasks", cls=Group)
@json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """The registered tasks of the application, with their arguments."""
    if context.invoked_subcommand is None:
        show_tasks(as_json=as_json)


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """The registered tasks of the application, with their arguments."""
    show_tasks(as_json=as_json)


@command.command("revoke")
@click.argument("ids", nargs=-1, metavar="ID...")
@click.option("--stamp", "stamps", multiple=True, metavar="KEY=VALUE", help="All that carry this stamp; repeatable.")
@click.option("--terminate", is_flag=True, help="End them where they run already.")
@click.option("--signal", metavar="NAME", help="The signal that ends them, with --terminate.  [default: SIGTERM]")
@json_option
def revoke(ids: tuple[str, ...], stamps: tuple[str, ...], terminate: bool, signal: str | None, as_json: bool) -> None:
    """Have no worker start the calls of these ids, which `umbel call` and `AsyncResult.id` show.

    With --stamp, those that carry a stamp, also those that are sent within the next three hours.
    """
    if bool(ids) == bool(stamps):
        raise click.UsageError("name the calls by their ids, or by --stamp KEY=VALUE")
    check_signal(signal, terminate=terminate)
    control = application(by_broker=True).control
    if stamps:
        headers = stamps_of(stamps)
        control.revoke_by_stamped_headers(headers, terminate=terminate, signal=signal)
        if as_json:
            show_json({"stamps": headers})
        else:
            click.echo(f"revoked all that carry {' or '.join(stamps)}")
        return
    wanted = list(dict.fromkeys(ids))
    control.revoke(wanted, terminate=terminate, signal=signal)
    if as_json:
        show_json({"revoked": wanted})
    else:
        click.echo(f"revoked {len(wanted):,}")


def stamps_of(words: Sequence[str]) -> dict[str, list[str]]:
    """``KEY=VALUE`` as stamps and their values. Raises ``UsageError``."""
    found: dict[str, list[str]] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise click.UsageError(f"--stamp {word}: a stamp is given as KEY=VALUE")
        found.setdefault(name, []).append(value)
    return found


def show_tasks(*, as_json: bool) -> None:
    """List the registered tasks."""
    app = application()
    load_tasks(app)
    known = {name: arguments_of(task) for name, task in sorted(app.tasks.regular().items())}
    if as_json:
        show_json([{"name": name, "signature": signature} for name, signature in known.items()])
    elif known:
        show_table(("task", "arguments"), known.items())
    else:
        note(f"{app.main} has no tasks; a function becomes one with @app.task")


def arguments_of(task: object) -> str:
    """A task's arguments as its caller writes them."""
    try:
        return str(signature_of(task))
    except (TypeError, ValueError, AttributeError):
        return "(...)"
