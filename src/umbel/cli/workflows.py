"""``umbel workflows``: chains, groups and chords as one thing."""

from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from umbel import Umbel
from umbel.app.workflows import Workflows
from umbel.cli.drawing import drawn
from umbel.cli.ending import check_signal
from umbel.cli.find import application, load_tasks
from umbel.cli.group import Group
from umbel.cli.screen import json_option, limit_option, note, refuse, show_json
from umbel.cli.tables import console, show_table
from umbel.core.tree import Tree

id_argument = click.argument("id", metavar="ID")


@click.group("workflows", cls=Group)
@limit_option
@json_option
@click.pass_context
def command(context: click.Context, limit: int, as_json: bool) -> None:
    """Chains, groups and chords: alone, list them. An ID is that of the result, or of any task in it."""
    if context.invoked_subcommand is None:
        show_all(limit, as_json=as_json)


@command.command("list")
@limit_option
@json_option
def list_(limit: int, as_json: bool) -> None:
    """Those that were called last first."""
    show_all(limit, as_json=as_json)


@command.command("show")
@id_argument
@click.option("--all", "everything", is_flag=True, help="Every member of a large group.")
@json_option
def show(id: str, everything: bool, as_json: bool) -> None:
    """Draw one: its tasks, how far each is, and what waits for what."""
    tree: Tree = asked(workflows_of(application(by_broker=True)).show, id)
    if as_json:
        show_json({**msgspec.to_builtins(tree), "counts": tree.counts()})
        return
    screen = console()
    with screen.capture() as captured:
        screen.print(drawn(tree, everything=everything))
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()), color=True)
    for line in tree.notes:
        note(f"note: {line}")


@command.command("revoke")
@id_argument
@click.option("--terminate", is_flag=True, help="End what runs already.")
@click.option("--signal", metavar="NAME", help="The signal that ends it, with --terminate.  [default: SIGTERM]")
@json_option
def revoke(id: str, terminate: bool, signal: str | None, as_json: bool) -> None:
    """Have nothing of it run that has not ended, also what its running tasks call later."""
    check_signal(signal, terminate=terminate)
    done = asked(workflows_of(application(by_broker=True)).revoke, id, terminate=terminate, signal=signal)
    if as_json:
        show_json(done)
    else:
        click.echo(f"revoked {len(done.revoked):,}" if done.revoked else "nothing to revoke: all of it has ended")


@command.command("retry")
@id_argument
@json_option
def retry(id: str, as_json: bool) -> int:
    """Run again what failed, and what follows from it; what succeeded is kept. The status is 1 if some of it cannot."""
    app = application()
    load_tasks(app)  # what is called anew goes where its task says
    done = asked(workflows_of(app).retry, id)
    if as_json:
        show_json(done)
    elif done.again or done.hopeless:
        click.echo(f"{len(done.again):,} run again, {done.kept:,} kept")
    else:
        click.echo("nothing to run again: nothing of it has failed")
    for one in done.hopeless:
        click.echo(f"{one} failed and cannot be run again: its message and its arguments are not kept", err=True)
    return 1 if done.hopeless else 0


def show_all(limit: int, *, as_json: bool) -> None:
    """List the newest."""
    app = application(by_broker=True)
    found = asked(workflows_of(app).latest, limit)
    if as_json:
        show_json(found)
    elif found:
        rows = [(one.id, when(one.at), one.phase, one.size, one.name) for one in found]
        columns = ("id", "called (UTC)", "state", "tasks", "workflow")
        show_table(columns, rows, numbers=("tasks",), whole=columns[:4])
    else:
        note("no workflows: chains, groups and chords are listed from when they are called until their results expire")


def workflows_of(app: Umbel) -> Workflows:
    """The workflows of an application that keeps results."""
    if app.store is None:
        refuse(f"{app.main} keeps no results: set result_backend")
    return app.workflows


def asked(verb: Any, *arguments: Any, **options: Any) -> Any:
    """The answer of a verb; what there is not is said in one line."""
    try:
        return verb(*arguments, **options)
    except KeyError as error:
        refuse(str(error.args[0]))
    except NotImplementedError as error:
        refuse(str(error))


def when(at: float) -> str:
    """Wall seconds as a time of day in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
