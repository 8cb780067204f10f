"""``umbel upgrade settings``: names of Celery's past in a settings file become those of today. Changes nothing else."""

import io
import shutil
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from umbel.app.settings import OLD
from umbel.cli.group import Group
from umbel.cli.screen import note, refuse

CELERY = "CELERY_"


@click.group("upgrade", cls=Group)
@click.pass_context
def command(context: click.Context) -> None:
    """Rename settings that have names of Celery's past."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@command.command("settings")
@click.argument("filename", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--django", is_flag=True, help="Names as Django's settings have them: CELERY_TASK_SERIALIZER.")
@click.option("--compat", is_flag=True, help="The same.")
@click.option("--no-backup", is_flag=True, help="Keep no copy of the file as FILE.orig.")
def settings(filename: Path, django: bool, compat: bool, no_backup: bool) -> int:
    """Rename the settings in the Python file FILE. Names in strings are settings too, names within others are not."""
    note(f"processing {filename}...")
    try:
        with filename.open("rb") as file:
            encoding, _ = tokenize.detect_encoding(file.readline)
        with filename.open(encoding=encoding, newline="") as text:
            before = text.read()
        after = renamed(before, prefixed if django or compat else str)
    except (SyntaxError, UnicodeDecodeError) as error:
        refuse(f"{filename} is no Python file: {error}")
    if after == before:
        click.echo("Does not seem to require any changes :-)")
        return 0
    if not no_backup:
        backup = filename.with_name(f"{filename.name}.orig")
        note(f"writing backup to {backup}...")
        shutil.copy2(filename, backup)
    with filename.open("w", encoding=encoding, newline="") as written:
        written.write(after)
    click.echo("Changes to your setting have been made!")
    return 0


def prefixed(name: str) -> str:
    """The name in Django's settings."""
    name = name.upper()
    return name if name.startswith(CELERY) else CELERY + name


def renamed(text: str, spell: Callable[[str], str]) -> str:
    """The program with today's names. Raises ``SyntaxError`` for what is no program."""
    lines = _lines(text).readlines()
    for (row, start), (_, end), name in reversed(list(_found(text))):
        line = lines[row - 1]
        lines[row - 1] = line[:start] + spell(OLD[name]) + line[end:]
    return "".join(lines)


def _lines(text: str) -> io.StringIO:
    return io.StringIO(text, newline="")  # lines end as they do in the file


def _found(text: str) -> Iterator[tuple[tuple[int, int], tuple[int, int], str]]:
    """Where old names stand, and which: names of the program, and strings that are a name."""
    try:
        for token in tokenize.generate_tokens(_lines(text).readline):
            if token.type == tokenize.NAME and token.string in OLD:
                yield token.start, token.end, token.string
            elif token.type == tokenize.STRING and (name := token.string.strip("'\"")) in OLD:
                width = (len(token.string) - len(name)) // 2
                (row, start), (_, end) = token.start, token.end
                yield (row, start + width), (row, end - width), name
    except tokenize.TokenError as error:
        raise SyntaxError(*error.args[:1]) from error
