"""``umbel shell``: Python with the application and its tasks at hand."""

import code
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click

from umbel import Umbel
from umbel.app.canvas import chain, chord, chunks, group, xmap, xstarmap
from umbel.app.signature import signature
from umbel.app.task import Task
from umbel.cli.find import application, load_tasks
from umbel.cli.group import Command
from umbel.cli.screen import refuse
from umbel.cli.session import session
from umbel.worker.patching import patch

NAMES = {
    "Task": Task,
    "chain": chain,
    "chord": chord,
    "chunks": chunks,
    "group": group,
    "signature": signature,
    "subtask": signature,
    "xmap": xmap,
    "xstarmap": xstarmap,
}


@click.command("shell", cls=Command)
@click.option("-I", "--ipython", "kind", flag_value="ipython", help="IPython, or an error without it.")
@click.option("-B", "--bpython", "kind", flag_value="bpython", help="bpython, or an error without it.")
@click.option("--python", "kind", flag_value="python", help="Python's own, also where there is another.")
@click.option("-T", "--without-tasks", is_flag=True, help="Leave the tasks out.")
@click.option("--eventlet", "pool", flag_value="eventlet", help="Have Python patched by eventlet first.")
@click.option("--gevent", "pool", flag_value="gevent", help="Have Python patched by gevent first.")
def command(kind: str | None, without_tasks: bool, pool: str | None) -> int:
    """Talk to the application: app (and celery, the same), its tasks by their functions' names, group, chain, chord, …

    The default is IPython or bpython where they are installed.
    """
    if pool is not None:
        if find_spec(pool) is None:
            refuse(f"{pool} is not installed: pip install 'umbel[{pool}]'")
        patch(pool)
    chosen = kind or next((name for name in ("IPython", "bpython") if find_spec(name)), "python")
    app = application()
    load_tasks(app)
    talk(chosen.lower(), names_of(app, tasks=not without_tasks))
    return 0


def names_of(app: Umbel, *, tasks: bool) -> dict[str, Any]:
    """What is at hand. A task that is called like something else is there in its stead, as in Celery."""
    own = [task for task in app.tasks.values() if not task.name.startswith(("celery.", "umbel."))] if tasks else []
    return {"app": app, "celery": app, **NAMES, **{_short(task): task for task in own}}


def talk(kind: str, names: dict[str, Any]) -> None:
    """Read and evaluate until the end of input."""
    if kind == "python":
        _complete(names)
        code.interact(banner=None if not session().quiet else "", local=names, exitmsg="")
        return
    module = {"ipython": "IPython", "bpython": "bpython"}[kind]
    if find_spec(module) is None:
        refuse(f"{module} is not installed: pip install {kind}, or say --python")
    if kind == "ipython":
        import_module(module).start_ipython(argv=[], user_ns=names)
    else:
        import_module(module).embed(names)


def _complete(names: dict[str, Any]) -> None:
    """Have the tabulator complete names, where Python was built with readline."""
    if find_spec("readline") is None:
        return
    readline = import_module("readline")
    readline.set_completer(import_module("rlcompleter").Completer(names).complete)
    readline.parse_and_bind("tab: complete")


def _short(task: Any) -> str:
    name: str = getattr(task, "__name__", None) or task.name.rpartition(".")[2]
    return name
