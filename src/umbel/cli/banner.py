"""What a worker says when it starts, and the line to try: data from the worker and the app, made into text."""

import inspect
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import click

import umbel
from umbel.app.parameters import signature_of
from umbel.cli.report import hide_password
from umbel.cli.session import session
from umbel.worker import Banner

SQLITE = "sqlite:///"
SAMPLES: Mapping[object, object] = {int: 2, float: 1.5, str: "hello", bool: "true", list: "[]", dict: "{}"}
MANY = 12
"""Tasks that the banner lists; of more it says how many there are."""


def show_banner(banner: Banner, tasks: Mapping[str, Any]) -> None:
    """Print it, unless ``--quiet``."""
    if session().quiet:
        return
    click.echo(f"{click.style(banner.nodename, bold=True)}  umbel {umbel.__version__}\n", color=not session().is_plain)
    for name, values in lines_of(banner, tasks, app=session().app_name or banner.app):
        for number, value in enumerate(values):
            click.echo(f"  {name if number == 0 else '':<8} {value}")
    click.echo()


def lines_of(banner: Banner, tasks: Mapping[str, Any], *, app: str) -> list[tuple[str, Sequence[str]]]:
    """The lines as names and values; ``app`` is what stood after ``-A``."""
    shown = [*banner.tasks[:MANY], *([f"and {len(banner.tasks) - MANY} more"] if len(banner.tasks) > MANY else [])]
    lines: list[tuple[str, Sequence[str]]] = [
        ("app", [app]),
        ("broker", [place(banner.broker)]),
        ("results", [results_of(banner)]),
        ("lane", [f"{banner.pool} × {banner.slots}"]),
        ("queues", [", ".join(banner.queues)]),
        ("tasks", shown or ["none: a function becomes one with @app.task"]),
    ]
    lines += [("note", [note]) for note in banner.notes]
    if banner.tasks:
        name = min(banner.tasks, key=lambda name: simplicity(tasks[name]))
        lines.append(("try", [call_line(name, tasks, app=app)]))
    return lines


def results_of(banner: Banner) -> str:
    """Where results go."""
    if banner.results is None:
        return "none are kept"
    return "the same file" if banner.results == banner.broker and SQLITE in banner.broker else place(banner.results)


def place(url: str) -> str:
    """A URL for a person: the absolute path of a file, anything else without its password."""
    if url.startswith(SQLITE):
        return f"SQLite, {Path(url.removeprefix(SQLITE).partition('?')[0]).absolute()}"
    return hide_password(url)


def call_line(name: str, tasks: Mapping[str, Any], *, app: str) -> str:
    """A command that calls a task with arguments of the right types."""
    last = name.rpartition(".")[2]
    short = last if sum(other.rpartition(".")[2] == last for other in tasks) == 1 else name
    words = ["umbel", "-A", app, "call", short, *samples(tasks[name]), "--wait"]
    return shlex.join(words)


def simplicity(task: Any) -> tuple[int, int]:
    """Orders tasks by how easily they are called by hand: known types first, then few arguments."""
    words = required(task)
    hints = hints_of(task)
    return sum(hints.get(word) not in SAMPLES for word in words) or 2 * (not words), len(words)


def samples(task: Any) -> list[str]:
    """A word for each argument that a task requires."""
    hints = hints_of(task)
    return [str(SAMPLES.get(hints.get(name), name.upper())) for name in required(task)]


def required(task: Any) -> list[str]:
    """The positional arguments that a caller must give."""
    try:
        parameters = signature_of(task).parameters.values()
    except (TypeError, ValueError):
        return []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [each.name for each in parameters if each.kind in positional and each.default is each.empty]


def hints_of(task: Any) -> dict[str, Any]:
    """The annotations of a task's arguments, as far as they can be had."""
    try:
        return get_type_hints(task.run)
    except (TypeError, NameError, AttributeError):
        return {}
