"""``umbel workers``: who works for the broker, and what each does as far as it can be known here."""

from collections.abc import Sequence

import click

from umbel.cli.find import application
from umbel.cli.group import Group
from umbel.cli.screen import json_option, note, refuse, show_json
from umbel.cli.tables import show_table
from umbel.core.vitals import Doing, ProcessVitals, WorkerVitals, worst

UNKNOWN = "?"


@click.group("workers", cls=Group)
@json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """The workers of the broker: alone, list them."""
    if context.invoked_subcommand is None:
        show_all(as_json=as_json)


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """All of them, with the state of the process that most deserves a look."""
    show_all(as_json=as_json)


@command.command("show")
@click.argument("node", metavar="NAME")
@json_option
def show(node: str, as_json: bool) -> None:
    """What each process of a worker does, since when, and when it last reached the broker."""
    try:
        worker = application(by_broker=True).workers.get(node)
    except KeyError as error:
        refuse(f"{error.args[0]}; umbel workers lists them")
    if as_json:
        show_json(worker)
        return
    for line in about(worker):
        click.echo(line)
    show_table(
        ("process", "pid", "state", "i/o", "broker", "waits", "runs"),
        [row for one in worker.processes for row in rows(one)],
    )
    for process in worker.processes:
        if process.why:
            click.echo(f"{process.name}: {process.why}")
    tell_unknown([worker])


def show_all(*, as_json: bool) -> None:
    """List the workers."""
    workers = list(application(by_broker=True).workers)
    if as_json:
        show_json(workers)
    elif workers:
        columns = ("worker", "state", "processes", "running", "held", "broker", "queues")
        show_table(columns, map(summary, workers), numbers=("processes", "running", "held"))
        tell_unknown(workers)
    else:
        note("no workers")


def summary(worker: WorkerVitals) -> tuple[object, ...]:
    """A worker in a line. ``broker``: how long ago the process that is worst off there reached it."""
    processes = worker.processes
    reached = [process.reached for process in processes if process.reached is not None]
    running = sum(len(process.running or ()) for process in processes) if worker.here else UNKNOWN
    held = sum(process.held or 0 for process in processes)
    ago = age(max(reached, default=None))
    return worker.node, worst(worker), len(processes), running, held, ago, ", ".join(worker.queues)


def about(worker: WorkerVitals) -> list[str]:
    """A worker in a few lines."""
    where = f"pid {worker.pid}" if worker.here else "elsewhere"
    lane = f", {worker.pool} × {worker.slots}" if worker.pool else ""
    since = f", for {age(worker.uptime)}" if worker.uptime is not None else ""
    stops = ", stopping" if worker.stopping else ""
    return [f"{worker.node}: {where}{lane}{since}{stops}", f"reads {', '.join(worker.queues) or 'nothing'}"]


def rows(process: ProcessVitals) -> list[tuple[object, ...]]:
    """A process in a line, and one more for each further task that it runs."""
    running = process.running
    what = [UNKNOWN] if running is None else [doing(one) for one in running] or ["nothing"]
    waits = UNKNOWN if process.unstarted is None else process.unstarted
    first = (
        process.name or UNKNOWN,
        str(process.pid or UNKNOWN),
        process.state,
        age(process.beat),
        age(process.reached),
        waits,
    )
    return [(*first, what[0]), *(("",) * 6 + (one,) for one in what[1:])]


def doing(one: Doing) -> str:
    """A task that runs, in a line."""
    limit = f" of {one.hard:g} s" if one.hard else ""
    return f"{one.task}[{one.id}] for {age(one.seconds)}{limit}"


def age(seconds: float | None) -> str:
    """``3 s``, ``4 min``, ``2 h``."""
    if seconds is None:
        return UNKNOWN
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def tell_unknown(workers: Sequence[WorkerVitals]) -> None:
    """Say what cannot be known here."""
    if any(not worker.here for worker in workers):
        note("?: known on the worker's own machine only (run umbel workers there, as the user it runs as)")
