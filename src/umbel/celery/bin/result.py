"""``celery result``: as Celery has it, which waits for a call to end."""

import click

from umbel.cli.find import application, find_task, load_tasks
from umbel.cli.group import Command
from umbel.cli.screen import refuse
from umbel.cli.session import describe


@click.command("result", cls=Command)
@click.argument("task_id")
@click.option("-t", "--task", help="The name of the task.")
@click.option("--traceback", is_flag=True, help="Print the traceback instead, and do not wait.")
def command(task_id: str, task: str | None, traceback: bool) -> None:
    """Wait for the call TASK_ID and print what it returned. The status is 1 if it failed."""
    app = application()
    if app.store is None:
        refuse(f"{app.main} keeps no results: set result_backend")
    if task is not None:
        load_tasks(app)
    call = app.AsyncResult(task_id) if task is None else find_task(app, task).AsyncResult(task_id)
    if traceback:
        click.echo(call.traceback)
        return
    try:
        click.echo(call.get())
    except Exception as error:  # noqa: BLE001  what a task raised may be anything
        refuse(describe(error))
