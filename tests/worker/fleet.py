"""Real workers for tests: started, fed, killed, and read by their ledger. Waits are for facts."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

from umbel.core.delivery import Depth
from umbel.runtime.clock import SYSTEM
from umbel.testing import failpoints
from umbel.testing.ledger import LEDGER
from umbel.testing.processes import descendants

T = TypeVar("T")
HERE = Path(__file__).parent


class Line(NamedTuple):
    """One line of the ledger."""

    at: float
    pid: int
    words: list[str]


def until(fact: Callable[[], T], within: float = 20.0, *, what: str = "") -> T:
    """The first true answer of ``fact``; fails after ``within`` seconds, which is a bound and not a measure."""
    end = SYSTEM.monotonic() + within
    while True:
        if answer := fact():
            return answer
        if SYSTEM.monotonic() > end:
            raise AssertionError(f"not within {within} s: {what or getattr(fact, '__doc__', None) or fact}")
        time.sleep(0.005)  # noqa: TID251  the pause between two looks


class Worker:
    """One ``umbel worker`` process. Its output is in ``log``."""

    def __init__(
        self,
        farm: "Farm",
        *arguments: str,
        number: int,
        command: list[str] | None = None,
        terminal: bool = False,
    ) -> None:
        self.log = farm.folder / f"worker-{number}.log"
        plain = [sys.executable, "-m", "umbel", "-A", "tests.worker.subjects", "worker", "-l", "INFO", *arguments]
        command = command or plain
        self._terminal, theirs = os.openpty() if terminal else (-1, -1)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=theirs if terminal else subprocess.DEVNULL,
                env=farm.environment,
                start_new_session=True,
                preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if terminal else None,
            )
        if terminal:
            os.close(theirs)
        self._children: list[int] = []

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def ready(self) -> "Worker":
        """Wait for the line that says so."""

        def said() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"the worker ended with {self.process.returncode}:\n{self.text}")
            return "ready." in self.text

        until(said, what=f"worker ready; it said:\n{self.text}")
        return self

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def signal_again(self, number: int) -> None:
        """A second order, once its first is heard of: what comes at once is the same order."""
        heard_of = until(lambda: "shutdown (" in self.text and SYSTEM.monotonic())
        until(lambda: SYSTEM.monotonic() > heard_of + 0.15)
        self.signal(number)

    def descendants(self) -> list[int]:
        """The pids of its processes, the fork server included."""
        return descendants(self.process.pid)

    def close_terminal(self) -> None:
        """As when its window is closed."""
        terminal, self._terminal = self._terminal, -1
        if terminal >= 0:
            os.close(terminal)

    def wait(self, within: float = 30.0) -> int:
        return self.process.wait(within)

    def stop(self) -> int:
        """TERM, and the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def end(self) -> None:
        """Whatever it takes."""
        if self.process.poll() is None:
            self.signal(signal.SIGSTOP)  # else it starts a process that is not among those found below
        for pid in [self.process.pid, *self.descendants()]:
            for number in (signal.SIGCONT, signal.SIGKILL):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
        self.process.wait(10)
        self.close_terminal()


class Farm:
    """A folder with a database, a ledger, the workers on it, and a handle on the same app for publishing."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self.settings = {"broker": f"sqlite:///{folder / 'farm.db'}", **settings}
        self.environment = os.environ | {
            "SUBJECT_SETTINGS": json.dumps(self.settings),
            "SUBJECT_LEDGER": str(self.ledger),
            "PYTHONPATH": os.pathsep.join(str(HERE.parent.parent / part) for part in ("", "src")),
            "PYTHONUNBUFFERED": "1",
        }
        self.workers: list[Worker] = []

    @property
    def failpoints(self) -> Path:
        """The folder to ``arm`` failpoints in, for workers that start from now on."""
        folder = self.folder / "failpoints"
        folder.mkdir(exist_ok=True)
        self.environment |= {failpoints.FOLDER: str(folder), LEDGER: str(self.ledger)}
        return folder

    def worker(
        self, *arguments: str, ready: bool = True, command: list[str] | None = None, terminal: bool = False
    ) -> Worker:
        """Start one; with a ``terminal`` of its own, which can be closed."""
        worker = Worker(self, *arguments, number=len(self.workers), command=command, terminal=terminal)
        self.workers.append(worker)
        return worker.ready() if ready else worker

    @contextmanager
    def app(self) -> Iterator[Any]:
        """An app on the same database that knows the subjects by name."""
        from umbel import Umbel  # noqa: PLC0415  tests import what they test late

        app = Umbel("caller", set_as_current=False, **self.settings)
        self._app = app
        try:
            yield app
        finally:
            app.close()

    def send(self, task: str, *args: Any, **options: Any) -> Any:
        """Call a subject by its short name."""
        return self._app.send_task(f"tests.worker.subjects.{task}", args, **options)

    def depth(self, queue: str = "celery") -> Depth:
        """What waits and what is claimed."""
        (depth,) = self._app.sync_producer.survey([queue])
        return depth

    def lines(self, *words: object) -> list[Line]:
        """Ledger lines whose words begin so."""
        wanted = [str(word) for word in words]
        found = []
        whole, _, _ = self.ledger.read_text().rpartition("\n")  # the last line may just be being written
        for line in whole.splitlines():
            at, pid, *rest = line.split(" ")
            if rest[: len(wanted)] == wanted:
                found.append(Line(float(at), int(pid), rest))
        return found

    def started(self, key: object, times: int = 1, within: float = 20.0) -> Line:
        """Wait until a task noted its start so often; its last line."""
        until(lambda: len(self.lines("start", key)) >= times, within, what=f"start {key} × {times}; {self.said()}")
        return self.lines("start", key)[-1]

    def said(self) -> str:
        return "\n".join(worker.text for worker in self.workers)

    def gate(self, name: str = "gate") -> Path:
        """A file that a ``hold`` task waits for."""
        return self.folder / name

    def __enter__(self) -> "Farm":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.end()
        if error is not None:
            sys.stderr.write(self.said())
