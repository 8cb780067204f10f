"""``umbel result``: how one call ended. Also how ``umbel call --wait`` shows that."""

from typing import Any

import click
import msgspec

from umbel.cli.find import application
from umbel.cli.group import Command
from umbel.cli.screen import json_option, refuse, show_json


@click.command("result", cls=Command)
@click.argument("task_id", metavar="ID")
@click.option("-t", "--task", help="Accepted for Celery's sake: results are found by id.")
@click.option("--traceback", is_flag=True, help="The whole traceback of a failure.")
@json_option
def command(task_id: str, task: str | None, traceback: bool, as_json: bool) -> int:
    """Show the result of the call ID. The status is 1 if it failed or has not ended."""
    app = application(by_broker=True)
    if app.store is None:
        refuse(f"{app.main} keeps no results: set result_backend")
    return show_end(app.AsyncResult(task_id), as_json=as_json, whole=traceback)


def show_end(call: Any, *, as_json: bool, whole: bool = False) -> int:
    """Print what became of a call, and return the status that says whether it succeeded."""
    state, value, trace = call.state, call.result, call.traceback
    if as_json:
        failed = isinstance(value, BaseException)
        shown = f"{type(value).__name__}: {value}" if failed else value
        show_json({"id": call.id, "status": state, "result": shown, "traceback": trace})
    elif state == "SUCCESS":
        click.echo(text_of(value))
    elif state == "PENDING":
        click.echo(f"{call.id} has no result: it waits, or runs, or nobody sent it", err=True)
    else:
        click.echo((trace if whole else end_of(trace)) or f"{type(value).__name__}: {value}", err=True)
        click.echo(
            f"{call.id} ended as {state}" if state in ("FAILURE", "REVOKED") else f"{call.id} is in {state}", err=True
        )
    return 0 if state == "SUCCESS" else 1


def text_of(value: Any) -> str:
    """A result for a person: text as it is, the rest as JSON."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value, enc_hook=repr).decode()


def end_of(trace: str | None) -> str:
    """The last frame of a traceback and what was raised there: where a reader looks first."""
    lines = (trace or "").rstrip().splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith('  File "')]
    return "\n".join(lines[starts[-1] :] if starts else lines)
