"""How the command line draws: tables, and the few words of colour. Knows no commands."""

import sys
from collections.abc import Iterable, Sequence
from typing import Literal

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from umbel.cli.session import session

WIDE = 10_000
"""Columns where nobody watches: a line that is piped is never cut."""


def console(*, stderr: bool = False) -> Console:
    """A console for this run: colour and width only where a person looks on."""
    plain = session().is_plain
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDE
    return Console(stderr=stderr, no_color=plain, highlight=False, soft_wrap=True, width=width, force_jupyter=False)


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> Table:
    """A table with quiet lines; columns in ``numbers`` are aligned to the right, those in ``whole`` never folded."""
    made = Table(box=box.SIMPLE_HEAD if not session().is_plain else None, pad_edge=False, header_style="bold")
    for column in columns:
        aligned: Literal["right", "left"] = "right" if column in numbers else "left"
        made.add_column(column, justify=aligned, overflow="fold", no_wrap=column in whole)
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    return made


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """Print a table, without blanks at the ends of lines. See ``table``."""
    screen = console()
    with screen.capture() as captured:
        screen.print(table(columns, rows, numbers=numbers, whole=whole))
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()), color=True)


def _cell(value: object) -> Text:
    if isinstance(value, int):
        return Text(f"{value:,}")
    return Text("" if value is None else str(value))
