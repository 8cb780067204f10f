"""``umbel logtool``: what the log files of workers say about tasks. Reads lines in the form that workers write."""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from umbel.cli.group import Group

LINE = re.compile(r"^\[\d{4}-\d\d-\d\d ")
TASK = re.compile(r"^[^\]]*\] Task (?P<name>\S+)\[(?P<id>[^\]]+)\] (?P<what>.*)")
SUCCEEDED, RECEIVED, AGAIN = "succeeded", "received", "retry:"
REPORT = """
Report
======
Task total: {total}
Task errors: {errors}
Task success: {succeeded}
Task completed: {completed}
Tasks
=====
{types}
"""


def _silent(_line: str) -> None:
    """Nobody wants to know."""


@dataclass
class Audit:
    """What was read, line by line. ``on_error`` gets the lines of tasks that failed, ``on_other`` those about no task,
    ``on_trace`` those that belong to the line before, which comes first.
    """

    on_error: Callable[[str], None] = _silent
    on_other: Callable[[str], None] = _silent
    on_trace: Callable[[str], None] = _silent
    received: dict[str, str] = field(default_factory=dict)
    ended: dict[str, bool] = field(default_factory=dict)
    """Ids, and whether the task succeeded."""
    _before: str | None = None

    def read(self, lines: Iterable[str]) -> "Audit":
        """Take lines in."""
        for line in lines:
            self._take(line.rstrip("\n"))
        return self

    def _take(self, line: str) -> None:
        if not LINE.match(line):
            if self._before is not None:
                self.on_trace(self._before)
                self._before = None
            self.on_trace(line)
            return
        self._before = line
        task = TASK.match(line)
        if task is None:
            self.on_other(line)
            return
        name, id, what = task["name"], task["id"], task["what"]
        self.received.setdefault(id, name)
        if what.startswith((RECEIVED, AGAIN)):
            return
        self.ended[id] = what.startswith(SUCCEEDED)
        if not self.ended[id]:
            self.on_error(line)

    def report(self) -> str:
        """The numbers."""
        errors = sum(not succeeded for succeeded in self.ended.values())
        types = Counter(sorted(self.received.values())).most_common()  # of equal numbers, by name
        return REPORT.format(
            total=len(self.received),
            errors=errors,
            succeeded=len(self.ended) - errors,
            completed=len(self.ended),
            types="\n".join(f"{name}: {count}" for name, count in types),
        )


@click.group("logtool", cls=Group)
@click.pass_context
def command(context: click.Context) -> None:
    """What the log files of workers say."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _files(function: Callable[[tuple[Path, ...]], None]) -> click.Command:
    with_files = click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")(function)
    return command.command(function.__name__)(with_files)


@_files
def stats(files: tuple[Path, ...]) -> None:
    """How many tasks were received, and how they ended."""
    click.echo(Audit().read(lines_of(files)).report())


@_files
def traces(files: tuple[Path, ...]) -> None:
    """Tracebacks, each after the line to which it belongs."""
    Audit(on_trace=click.echo).read(lines_of(files))


@_files
def errors(files: tuple[Path, ...]) -> None:
    """The lines of tasks that failed."""
    Audit(on_error=click.echo).read(lines_of(files))


@_files
def incomplete(files: tuple[Path, ...]) -> None:
    """The tasks that were received, and of whose end nothing is said."""
    audit = Audit().read(lines_of(files))
    for id in audit.received:
        if id not in audit.ended:
            click.echo(f"Did not complete: {id}")


@_files
def debug(files: tuple[Path, ...]) -> None:
    """The lines that are about no task."""
    Audit(on_other=click.echo).read(lines_of(files))


def lines_of(files: Iterable[Path]) -> Iterator[str]:
    """The lines of all files; of standard input where there is none, or ``-``."""
    for path in files or [Path("-")]:
        if str(path) == "-":
            yield from sys.stdin
        else:
            with path.open(errors="replace") as file:
                yield from file
