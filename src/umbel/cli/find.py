"""From the word after ``-A`` to an application, in Celery's order; and from a word to one of its tasks."""

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from umbel import Umbel
from umbel.app.nearest import advice
from umbel.cli.session import Session, session
from umbel.core.errors import UmbelError

OURS = str(Path(__file__).parents[1]) + os.sep


class NoApp(click.ClickException):
    """The application cannot be had; the text says why in one line."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        this = (context := click.get_current_context(silent=True)) and context.find_object(Session)
        self.exit_code = 2 if this and this.face.is_celery else 1  # type: ignore[misc]  # click reads it of the instance


def application(*, by_broker: bool = False) -> Umbel:
    """The application of this run. With ``by_broker``, a broker's URL alone is enough. Raises ``NoApp``."""
    this = session()
    if this.app is not None:
        return this.app
    if this.app_name is not None:
        return find_app(this.app_name)
    if this.face.fallback is not None:
        return this.face.fallback()
    if by_broker and any(os.environ.get(name) for name in ("UMBEL_BROKER_URL", "CELERY_BROKER_URL")):
        return Umbel("umbel")
    command = click.get_current_context().command_path.removeprefix(f"{this.face.program} ")
    raise NoApp(f"which application? Name its module (umbel -A tasks {command}) or set UMBEL_APP")


def find_app(name: str) -> Umbel:
    """The application that ``name`` means.

    ``module:attribute`` is just that. Otherwise the first of: ``name`` itself, as a module's attribute; ``name.app``;
    ``name.celery``; the application of a submodule ``name.celery``; any application in the module; that of a
    submodule ``name.umbel``. Raises ``NoApp``.
    """
    if name.partition(":")[0].endswith(".py") or "/" in name:
        raise NoApp(f"{name!r} is a file: name the module that it is, as import does, and go to its folder (--workdir)")
    module_name, colon, attribute = name.partition(":")
    if colon:
        found = getattr(load(module_name), attribute, None)
        if not isinstance(found, Umbel):
            raise NoApp(f"{module_name} has no application named {attribute!r}{_offer(vars(load(module_name)))}")
        return found
    module = _module_or_parent(name)
    if not isinstance(module, ModuleType):
        return module
    app = _in_module(module)
    if app is None:
        raise NoApp(f"{module.__name__} ({_file(module)}) holds no application; it needs one: app = Umbel({name!r})")
    return app


def load(name: str) -> ModuleType:
    """Import a module. Raises ``NoApp`` with the module, the error and the line, whatever the module raised."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise NoApp(f"cannot import {name!r}: there is no module of that name in {Path.cwd()}") from error
        raise NoApp(_why(name, error)) from error
    except (Exception, SystemExit) as error:
        raise NoApp(_why(name, error)) from error


def load_tasks(app: Umbel, include: Iterable[str] = ()) -> None:
    """Import everything that has tasks, ``include`` too. Raises ``NoApp`` with the module's error in one line."""
    for name in include:
        load(name)
    try:
        app.load()
    except UmbelError:
        raise
    except (Exception, SystemExit) as error:
        raise NoApp(_why(str(app.main), error)) from error


def refuse_unreachable(app: Umbel) -> None:
    """Refuse a broker that ends with this process: what is sent to it here, nobody can ever claim."""
    if app.broker.features.reach == "process":
        url = app.broker.url
        raise NoApp(
            f"{url} reaches no other process than its own, so it is for tests; give a file: -b sqlite:///umbel.db"
        )


def find_task(app: Umbel, name: str) -> Any:
    """The task named ``name``, or the only one whose name ends in ``.name``."""
    tasks = app.tasks
    if name in tasks:
        return tasks[name]
    ends = sorted(full for full in tasks if full.endswith(f".{name}"))
    if len(ends) == 1:
        return tasks[ends[0]]
    if ends:
        raise click.ClickException(f"{name!r} may be any of {', '.join(ends)}: write more of it")
    own = sorted(tasks.regular())
    meant = advice(name, [*own, *(full.rpartition(".")[2] for full in own)])
    known = meant or (f"; it has {_few(own)}" if own else "; it has no tasks")
    raise click.ClickException(f"no task named {name!r} in {app.main}{known}")


def _module_or_parent(name: str) -> ModuleType | Umbel:
    parent, _, last = name.rpartition(".")
    if not parent or _exists(name):
        return load(name)
    found = getattr(load(parent), last, None)
    if isinstance(found, Umbel | ModuleType):
        return found
    return load(name)


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _in_module(module: ModuleType) -> Umbel | None:
    for attribute in ("app", "celery"):
        found = getattr(module, attribute, None)
        if isinstance(found, Umbel):
            return found
    return _in_submodule(module, "celery") or _any(module) or _in_submodule(module, "umbel")


def _in_submodule(module: ModuleType, last: str) -> Umbel | None:
    name = f"{module.__name__}.{last}"
    if not hasattr(module, "__path__") or not _exists(name):
        return None
    return _in_module(load(name))


def _any(module: ModuleType) -> Umbel | None:
    return next((value for value in vars(module).values() if isinstance(value, Umbel)), None)


def _offer(names: dict[str, Any]) -> str:
    apps = sorted(name for name, value in names.items() if isinstance(value, Umbel))
    return f"; it has {', '.join(apps)}" if apps else ""


def _few(names: Iterable[str], limit: int = 8) -> str:
    listed = list(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more


def _file(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or os.pathsep.join(getattr(module, "__path__", ["built in"]))


def _why(name: str, error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"cannot import {name!r}: {error.msg} ({error.filename}, line {error.lineno})"
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"cannot import {name!r}: {text}{_where(error)}"


def _where(error: BaseException) -> str:
    """The last line of the user's own that was running, not the import machinery's."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    own = [frame for frame in frames if not frame.filename.startswith(OURS) and importlib.__file__ != frame.filename]
    outside = [frame for frame in own if not frame.filename.startswith(sys.prefix)] or own
    return f" ({outside[-1].filename}, line {outside[-1].lineno})" if outside else ""
