"""One run of the command line: the global options, the application they name, and how an error is shown."""

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import click

import umbel
from umbel.core.errors import UmbelError, UmbelWarning
from umbel.runtime import system


@dataclass(frozen=True)
class Face:
    """Under which name the command line runs: what it calls itself, and what it does where the names differ."""

    program: str = "umbel"
    module: str = "umbel"
    """What ``python -m`` starts in its stead."""
    is_celery: bool = False
    fallback: "Callable[[], umbel.Umbel] | None" = None
    """The application where none is named; without it that is an error."""
    environment: str | None = None
    """Before the name of a command and an option, a variable that stands for the option."""


UMBEL = Face()
HIDDEN = "{path} hides the package umbel from every program started here: give it another name"


@dataclass
class Session:
    """What the global options said, wherever they stood. ``entered`` once they have been acted upon."""

    app_name: str | None = None
    broker: str | None = None
    result_backend: str | None = None
    workdir: str | None = None
    no_color: bool = False
    quiet: bool = False
    debug: bool = False
    schedule_place: str | None = None
    entered: bool = False
    app: "umbel.Umbel | None" = None
    arguments: tuple[str, ...] = ()
    face: Face = UMBEL
    user_options: dict[str, Any] = field(default_factory=dict)
    """Values of options that the application has added to the command."""

    def enter(self) -> None:
        """Go to the working folder, make it importable, and hand the URLs to every process of this run.

        Safe to repeat, when more options have been read.
        """
        if not self.entered:
            self.entered = True
            if self.workdir is not None:
                os.chdir(self.workdir)
            folder = Path.cwd()
            refuse_shadow(folder)
            if str(folder) not in sys.path:
                sys.path.insert(0, str(folder))
        for name, value in (("UMBEL_BROKER_URL", self.broker), ("UMBEL_RESULT_BACKEND", self.result_backend)):
            if value is not None:
                os.environ[name] = value
        if self.no_color:
            os.environ["NO_COLOR"] = "1"

    @property
    def is_plain(self) -> bool:
        """Whether to write without colour, bars and boxes."""
        return self.no_color or "NO_COLOR" in os.environ or not sys.stdout.isatty()


def refuse_shadow(folder: Path) -> None:
    """Refuse to run where a file or folder of the user's takes the package's name."""
    for path in (folder / "umbel.py", folder / "umbel" / "__init__.py"):
        if path.exists() and not path.samefile(umbel.__file__ or ""):
            raise click.ClickException(HIDDEN.format(path=path))


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value and parameter.name is not None:
        setattr(context.find_object(Session), parameter.name, value)


def global_options(*, is_root: bool) -> list[click.Option]:
    """The options that may stand before or after a sub-command. Only the root reads the environment for them."""
    keep: dict[str, Any] = {"expose_value": False, "callback": _keep, "hidden": not is_root}
    if not is_root:
        keep["allow_from_autoenv"] = False
    environment = ["UMBEL_APP", "APP"] if is_root else None
    return [
        click.Option(
            ["-A", "--app", "app_name"],
            metavar="APP",
            envvar=environment,
            help="The application: a module, a package, or module:attribute (environment: UMBEL_APP).",
            **keep,
        ),
        click.Option(["-b", "--broker"], metavar="URL", help="The broker, in place of the application's.", **keep),
        click.Option(["--result-backend"], metavar="URL", help="The result store, likewise.", **keep),
        click.Option(["--workdir"], metavar="FOLDER", help="Go to this folder first.", **keep),
        click.Option(["-C", "--no-color"], is_flag=True, help="Plain text.", **keep),
        click.Option(["-q", "--quiet"], is_flag=True, help="Print what was asked for and nothing else.", **keep),
        click.Option(["--debug"], is_flag=True, help="Show the traceback of an error.", **keep),
        click.Option(["--skip-checks"], is_flag=True, help="Accepted for Celery's sake.", **keep),
    ]


def stop_as_by_hand() -> None:
    """Take SIGTERM and a closed terminal as Ctrl-C, so that what this process started is stopped on the way out."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in system.STOPS:
        if number not in (signal.SIGINT, system.QUIT):
            signal.signal(number, interrupt)


def session() -> Session:
    """The session of the command that is running."""
    found = click.get_current_context().find_object(Session)
    if found is None:
        raise RuntimeError("no command is running")
    return found


def run(
    command: click.Command, arguments: Sequence[str], *, app: "umbel.Umbel | None" = None, face: Face = UMBEL
) -> int:
    """Run ``command`` and return its exit status: an error of the user's is one line, with ``--debug`` a traceback.

    ``app`` is the application, if it is not to be found by its name.
    """
    this = Session(app=app, arguments=tuple(arguments), face=face)
    settings: dict[str, Any] = {"auto_envvar_prefix": face.environment} if face.environment else {}
    warnings.showwarning = _warn
    try:
        status = command.main(list(arguments), prog_name=face.program, standalone_mode=False, obj=this, **settings)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 130
    except BrokenPipeError:
        sys.stdout = None  # whoever read our output has left: nothing to flush
        return 1
    except click.ClickException as error:
        return _complain(this, error, error.exit_code)
    except (UmbelError, OSError) as error:
        return _complain(this, error, 1)
    except UnicodeEncodeError as error:
        return _complain(this, click.UsageError(f"{error.object[:80]!r} is no text: UTF-8 cannot hold it"), 2)
    return status if isinstance(status, int) else 0


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    ours = issubclass(category, UmbelWarning)
    click.echo(f"umbel: {message}" if ours else f"{filename}:{lineno}: {category.__name__}: {message}", err=True)


def _complain(this: Session, error: Exception, status: int) -> int:
    if this.debug:
        traceback.print_exception(error)
    else:
        text = error.format_message() if isinstance(error, click.ClickException) else describe(error)
        click.echo(f"{this.face.program}: {' '.join(text.split())}", err=True)
    return status


def describe(error: Exception) -> str:
    """One line for an error: our own say all that is needed, others are named."""
    if isinstance(error, UmbelError) and str(error):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
