"""``umbel health``: asks a worker of this machine how it is. No application, no broker: for probes."""

from pathlib import Path

import click
import msgspec

from umbel.app.neighbours import ask, neighbours
from umbel.cli.group import Command
from umbel.cli.screen import json_option, refuse, show_json
from umbel.core.vitals import WorkerVitals, verdict


@click.command("health", cls=Command)
@click.option("-n", "--node", metavar="NAME", help="The worker of this name, where several run here.")
@click.option("--socket", type=click.Path(path_type=Path), help="The worker that answers there (--health-socket).")
@click.option("--ready", is_flag=True, help="Whether it takes tasks now, not only whether it is well.")
@click.option("--timeout", default=2.0, show_default=True, type=click.FloatRange(0, min_open=True), metavar="SECONDS")
@json_option
def command(node: str | None, socket: Path | None, ready: bool, timeout: float, as_json: bool) -> int:
    """Ask a worker of this machine how it is: status 0 and a line if it is well, 1 if it is stuck or not there."""
    if node is not None and socket is not None:
        raise click.UsageError("--node and --socket exclude each other")
    found = [asked(socket, timeout)] if socket is not None else here(node, timeout)
    verdicts = sorted(verdict(one, ready=ready) for one in found)
    if as_json:
        show_json([{"well": verdict(one, ready=ready)[0], **msgspec.to_builtins(one)} for one in found])
    else:
        click.echo("; ".join(line for well, line in verdicts if well == verdicts[0][0]))
    return 0 if verdicts[0][0] else 1


def here(node: str | None, timeout: float) -> list[WorkerVitals]:
    """The workers of this name on this machine, or the only one there is."""
    found, dumb = neighbours(timeout)
    names = sorted({one.node for one in found})
    chosen = [one for one in found if node in (None, one.node)]
    if dumb and (node is None or not chosen):
        refuse(f"a worker here does not answer within {timeout:g} s ({dumb[0]})")
    if node is None and len(names) > 1:
        raise click.UsageError(f"several workers run here: say which with --node: {', '.join(names)}")
    if not chosen:
        whom = f"worker {node!r}" if node else "worker"
        others = f"; there is {', '.join(names)}" if names else ""
        refuse(f"no {whom} of this user runs here{others}")
    return chosen


def asked(path: Path, timeout: float) -> WorkerVitals:
    """The worker that answers at a path."""
    try:
        return ask(path, timeout)
    except TimeoutError:
        refuse(f"the worker at {path} does not answer within {timeout:g} s")
    except OSError as error:
        refuse(f"no worker answers at {path}: {error.strerror}")
