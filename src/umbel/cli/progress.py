"""How far a count has come: a bar where a person looks on, a line at every quarter where nobody does."""

import sys
from types import TracebackType

import click
from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar

from umbel.cli.session import session
from umbel.cli.tables import console

PARTS = 4


class Progress:
    """A count on its way to ``total``. ``said`` counts the lines put above it."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self.said = 0
        self._total = total
        self._quiet = quiet
        self._part = 0
        self._bar: Bar | None = None
        if not quiet and not session().is_plain and sys.stdout.isatty():
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("files"), TaskProgressColumn())
            self._bar = Bar(*columns, console=console())
            self._bar.add_task("files", total=total)

    def __enter__(self) -> None:
        if self._bar is not None:
            self._bar.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, done: int) -> None:
        """Show that ``done`` are done."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done)
            return
        part = done * PARTS // self._total
        if part > self._part and not self._quiet:
            self._part = part
            click.echo(f"  {done:,} of {self._total:,} files")

    def say(self, text: str) -> None:
        """Put a line above."""
        self.said += 1
        if self._bar is not None:
            self._bar.console.print(text)
        elif not self._quiet:
            click.echo(f"  {text}")
