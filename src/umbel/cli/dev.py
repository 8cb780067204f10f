"""``umbel dev``: a worker that is restarted, warm, when a Python file is saved. Runs no task and imports no app."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from umbel.cli.group import Command
from umbel.cli.screen import refuse
from umbel.cli.session import session, stop_as_by_hand

try:
    from watchfiles import PythonFilter, watch
except ImportError:  # the extra is not installed: said when the command is run
    watch = None  # type: ignore[assignment]

LOOK = 500
"""Milliseconds after which the watcher looks whether the worker still lives."""


@click.command("dev", cls=Command, context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, metavar="[WORKER OPTIONS]...")
def command(options: tuple[str, ...]) -> int:
    """Run a worker and restart it when a Python file under the working folder is saved.

    WORKER OPTIONS are those of umbel worker; without any, two processes log at INFO.
    """
    this = session()
    if watch is None:
        refuse("umbel dev needs watchfiles: pip install 'umbel[dev]'")
    if this.app_name is None:
        refuse("which application? Name its module: umbel dev -A tasks")
    keeper = Keeper([*arguments(this.app_name), *(options or ("-c", "2", "-l", "INFO"))])
    stop_as_by_hand()
    say(f"watching {Path.cwd()} for saved Python files; Ctrl-C stops")
    keeper.start()
    try:
        follow(keeper)
    except KeyboardInterrupt:
        say("stopping")
    finally:
        keeper.stop()
    return 0


class Keeper:
    """The one worker process of ``umbel dev``. In a process group of its own: what stops it is what we send it."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, process_group=0)

    def stop(self) -> None:
        """Warm: what runs may finish. A second Ctrl-C meanwhile is passed on, and stops it cold."""
        if self.process is None:
            return
        self._send(signal.SIGTERM)
        while True:
            try:
                self.process.wait()
                break
            except KeyboardInterrupt:
                self._send(signal.SIGTERM)
        self.process = None

    def ended(self) -> int | None:
        """The status of a worker that ended by itself; said once."""
        status = self.process.poll() if self.process is not None else None
        if status is not None:
            self.process = None
        return status

    def _send(self, number: signal.Signals) -> None:
        assert self.process is not None
        try:
            self.process.send_signal(number)
        except ProcessLookupError:
            pass


def follow(keeper: Keeper) -> None:
    """Restart the worker at every save, until interrupted."""
    for changes in watch(
        Path.cwd(), watch_filter=PythonFilter(), rust_timeout=LOOK, yield_on_timeout=True, raise_interrupt=True
    ):
        status = keeper.ended()
        if status is not None:
            say(f"the worker ended (status {status}); it is started again when a file is saved")
        saved = sorted({Path(path) for _, path in changes})
        if not saved:
            continue
        wrong = [problem for path in saved if (problem := syntax_error(path)) is not None]
        for problem in wrong:
            say(f"{problem}; the worker goes on with what it had")
        if not wrong:
            say(f"{listed(saved)} changed, restarting the worker")
            keeper.stop()
            keeper.start()


def syntax_error(path: Path) -> str | None:
    """Why a file cannot be compiled, in one line, or None."""
    try:
        compile(path.read_bytes(), path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"{relative(path)} line {error.lineno}: {error.msg}"
    except (OSError, ValueError):  # deleted meanwhile, or bytes that are no source: the import will tell
        return None
    return None


def arguments(app_name: str) -> list[str]:
    """The command line of the worker, with the global options of this one."""
    this = session()
    made = [sys.executable, "-m", "umbel", "-A", app_name]
    for flag, value in (("--no-color", this.no_color), ("--quiet", this.quiet), ("--debug", this.debug)):
        made += [flag] if value else []
    return [*made, "worker", "--beat"]


def listed(paths: Iterable[Path]) -> str:
    """Paths as a person reads them."""
    return ", ".join(map(relative, paths))


def relative(path: Path) -> str:
    """A path from here."""
    return os.path.relpath(path)


def say(text: str) -> None:
    """A line of the watcher's own, told apart from the worker's."""
    click.secho(f"dev: {text}", fg="cyan" if not session().is_plain else None, err=True)
