"""A command that lives long: in the background, under another user, with a pid file. Knows no worker.

``--detach`` starts the same command line as a new process in a session of its own, and waits until that one says that
it is up; until then what it has to say is seen here, and its exit status is this one's.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click

from umbel.cli.session import session
from umbel.runtime.pidfile import PidfileTaken, pidfile
from umbel.runtime.privileges import CannotBecome, become

UP = b"up\n"
LINE = "UMBEL_DETACHED"
"""Names the descriptor by which a process in the background says that it is up."""


class AlreadyRuns(click.ClickException):
    """Another process holds the pid file. The status is that of ``sysexits.h`` for a file that cannot be made."""

    exit_code = 73


def mask(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    """Octal digits."""
    if text is None:
        return None
    try:
        bits = int(text, 8)
    except ValueError:
        bits = -1
    if not 0 <= bits <= 0o777:
        raise click.BadParameter(f"{text!r} is not octal digits from 0 to 777, such as 022")
    return bits


def daemon_options(function: Any) -> Any:
    """The options of every command that lives long."""
    for option in (
        click.option("--executable", metavar="FILE", help="With --detach: the Python to start."),
        click.option("--umask", callback=mask, metavar="MODE", help="Octal digits, for the files it makes."),
        click.option("--gid", metavar="GROUP", help="Become this group, if started by root."),
        click.option("--uid", metavar="USER", help="Become this user, if started by root."),
        click.option("--pidfile", metavar="FILE", help="Write the process's number there; %n, %h: parts of the name."),
        click.option("-D", "--detach", is_flag=True, help="Run in the background."),
    ):
        function = option(function)
    return function


# In the background ----------------------------------------------------------------------------------------------------


def is_detached() -> bool:
    """Whether this is the process in the background."""
    return LINE in os.environ


def detach(executable: str | None) -> int:
    """Start this command line again in the background; returns 0 when it is up, or the status with which it ended."""
    if sys.platform == "win32":
        raise click.ClickException("--detach is for POSIX; here a service manager does it")
    heard, said = os.pipe()
    app = session().app
    environment = os.environ | {LINE: str(said)} | ({"UMBEL_APP": app.import_name} if app is not None else {})
    command = [executable or sys.executable, "-m", session().face.module, *session().arguments]
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=[said],
            start_new_session=True,
            env=environment,
        )
    except OSError as error:
        raise click.ClickException(f"{command[0]}: {error.strerror}") from error
    finally:
        os.close(said)
    try:
        if os.read(heard, len(UP)) == UP:
            child.returncode = 0  # it is nobody's to wait for any more
            return 0
        return child.wait() or 1
    except KeyboardInterrupt:
        child.terminate()
        raise
    finally:
        os.close(heard)


def is_up(logfile: str | None) -> None:
    """Say so, in the background, and let go of the terminal: what is still written there goes to the log file."""
    said = os.environ.pop(LINE, None)
    if said is None:
        return
    sys.stdout.flush()
    nothing = os.open(os.devnull, os.O_RDWR)
    out = nothing if logfile is None else os.open(logfile, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream, descriptor in ((0, nothing), (1, out), (2, out)):
        os.dup2(descriptor, stream)
    os.write(int(said), UP)
    os.close(int(said))


def become_user(uid: str | None, gid: str | None, umask: int | None) -> None:
    """Be that user from now on, whose files are made with that umask. Before any file is made."""
    if umask is not None:
        os.umask(umask)
    try:
        become(uid, gid)
    except CannotBecome as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def numbered(pid_path: str | None) -> Iterator[None]:
    """Hold that pid file for the length of the block."""
    try:
        with nullcontext() if pid_path is None else pidfile(Path(pid_path)):
            yield
    except PidfileTaken as error:
        raise AlreadyRuns(str(error)) from error
