"""``umbel new``: a first file of tasks."""

import keyword
from pathlib import Path

import click

from umbel.cli.group import Command
from umbel.cli.screen import note, refuse

TEMPLATE = '''\
"""Tasks. Run them with: umbel dev -A {name} (a worker, restarted when this file is saved)."""

from umbel import Umbel

app = Umbel("{name}")  # messages and results are kept in umbel.db beside this file


@app.task  # add(2, 2) runs here; add.delay(2, 2) sends a message, and a worker runs it
def add(x: int, y: int) -> int:
    return x + y
'''

NEXT = """\
wrote {path}
next, in one terminal:  umbel dev -A {name}
      and in another:   umbel -A {name} call add 2 2 --wait"""


@click.command("new", cls=Command)
@click.argument("name", default="tasks")
def command(name: str) -> None:
    """Write NAME.py (default: tasks.py), ten lines with an application and a task."""
    name = name.removesuffix(".py")
    if not name.isidentifier() or keyword.iskeyword(name):
        refuse(f"{name!r} cannot be the name of a module: use letters, digits and underscores")
    if name == "umbel":
        refuse("a file named umbel.py would hide the package umbel: choose another name")
    path = Path(f"{name}.py")
    try:
        with path.open("x") as file:
            file.write(TEMPLATE.format(name=name))
    except FileExistsError:
        refuse(f"{path} is there already; umbel new OTHER writes OTHER.py")
    note(NEXT.format(path=path, name=name))
