"""What the commands share: how they write JSON, notes and refusals. Tables are apart (``tables``), and load more."""

from typing import Any, NoReturn

import click
import msgspec

from umbel.cli.session import session


def show_json(value: Any) -> None:
    """Print one JSON document, indented. What JSON has no form for is shown by ``repr``."""
    click.echo(msgspec.json.format(msgspec.json.encode(value, enc_hook=repr), indent=2).decode())


def note(text: str) -> None:
    """Say something beside the answer: on stderr, and not with ``--quiet``."""
    if not session().quiet:
        click.echo(text, err=True)


def refuse(text: str) -> NoReturn:
    """End the command with one line and status 1."""
    raise click.ClickException(text)


def json_option(function: Any) -> Any:
    """``--json``, the same everywhere."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


limit_option = click.option(
    "-n", "--limit", default=100, show_default=True, type=click.IntRange(1), help="At most so many."
)
