"""``umbel tasks``: the tasks that the application knows."""

import inspect

import click

from umbel.cli.find import application, load_tasks
from umbel.cli.group import Command
from umbel.cli.screen import json_option, note, show_json, show_table


@click.command("tasks", cls=Command)
@json_option
def command(as_json: bool) -> None:
    """The registered tasks of the application, with their arguments."""
    app = application()
    load_tasks(app)
    known = {name: signature_of(task) for name, task in sorted(app.tasks.items()) if not name.startswith("celery.")}
    if as_json:
        show_json([{"name": name, "signature": signature} for name, signature in known.items()])
    elif known:
        show_table(("task", "arguments"), known.items())
    else:
        note(f"{app.main} has no tasks; a function becomes one with @app.task")


def signature_of(task: object) -> str:
    """A task's arguments as its caller writes them."""
    try:
        return str(inspect.signature(task.run))  # type: ignore[attr-defined]
    except (TypeError, ValueError, AttributeError):
        return "(...)"
