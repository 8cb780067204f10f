"""A terminal with somebody in front of it: commands are typed into a shell, and the screen is read."""

import re
import sys
from pathlib import Path

import pexpect  # type: ignore[import-untyped]  # it has no types

from tests.cli.conftest import environment

PROMPT = "umbel-test> "
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Terminal:
    def __init__(self, folder: Path) -> None:
        self.shell = pexpect.spawn(
            "/bin/sh",
            ["-i"],
            cwd=str(folder),
            env=environment(PS1=PROMPT, TERM="xterm-256color", COLUMNS="100", ENV="/dev/null"),
            encoding="utf-8",
            timeout=30,
            dimensions=(40, 100),
            echo=False,
        )
        self.shell.expect_exact(PROMPT)

    def type(self, command: str, *, timeout: float = 60) -> str:
        """Run a command to its end and return what the screen then shows of it."""
        self.shell.sendline(command)
        self.shell.expect_exact(PROMPT, timeout=timeout)
        return ESCAPES.sub("", self.shell.before)

    def start(self, command: str) -> None:
        """Run a command that stays."""
        self.shell.sendline(command)

    def see(self, pattern: str, *, timeout: float = 30) -> "re.Match[str]":
        """Wait until the screen shows ``pattern``."""
        self.shell.expect(pattern, timeout=timeout)
        found = self.shell.match
        assert isinstance(found, re.Match)
        return found

    def interrupt(self) -> None:
        """Ctrl-C, and wait for the prompt."""
        self.shell.sendintr()
        self.shell.expect_exact(PROMPT)

    def status(self) -> int:
        return int(self.type("echo $?").strip())

    def leave(self) -> None:
        self.shell.sendline("exit")
        self.shell.expect(pexpect.EOF)
        self.shell.close(force=True)


def small_library(folder: Path) -> Path:
    """A folder with some of Python's own files, enough for a demo of a second."""
    source = Path(re.__file__).parents[1]
    target = folder / "code"
    target.mkdir()
    for path in sorted([*source.glob("[a-d]*.py"), *(source / "json").glob("*.py")]):
        (target / path.name).write_bytes(path.read_bytes())
    (target / "not_python.py").write_text("print 'two'\n")
    assert sys.version_info >= (3, 11)
    return target
