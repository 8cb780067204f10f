"""A project on disk, the commands its owner types, and what came of them. Knows no project in particular."""

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import redis

from tests.processes import SERVERS
from tests.servers import RedisServer
from tests.worker.fleet import until
from umbel.testing.processes import descendants

CONSOLE = Path(__file__).with_name("console.py")
TIMEOUT = 30.0
BARE = {"PYTEST_ADDOPTS": "-p no:celery"}
"""The user has no pytest-celery, which calls itself so; the environment has it for another test."""


class Running:
    """A command that goes on. Its output is in ``log``."""

    def __init__(self, command: str, log: Path, **options: Any) -> None:
        self.command = command
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                shlex.split(command),
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **options,
            )
        SERVERS.add(self.process.pid)

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def says(self, words: str) -> "Running":
        """Wait until it has said that."""

        def said() -> bool:
            found = words in self.text
            if not found and self.process.poll() is not None:
                raise AssertionError(f"{self.command} ended with {self.process.returncode}:\n{self.text}")
            return found

        until(said, TIMEOUT, what=f"{self.command} says {words!r}")
        return self

    def stop(self) -> int:
        """TERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        """At once, with all its processes."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)  # else it starts one that is not among those found below
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            for number in (signal.SIGCONT, signal.SIGKILL):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
        self.ended()

    def ended(self) -> int:
        """Its exit status."""
        status = self.process.wait(TIMEOUT)
        SERVERS.discard(self.process.pid)
        return status


class Console:
    """A Python of the project's, which executes blocks one after the other in one namespace."""

    def __init__(self, python: Path, log: Path, **options: Any) -> None:
        self.log = log
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [python, "-u", str(CONSOLE)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                **options,
            )
        SERVERS.add(self.process.pid)

    def __call__(self, block: str) -> Any:
        """Execute, and what ``answer`` is then."""
        return self.run(block)["answer"]

    def printed(self, block: str) -> str:
        """Execute, and what it printed."""
        return str(self.run(block)["printed"])

    def run(self, block: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(block) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the console ended:\n{self.log.read_text()}"
        said: dict[str, Any] = json.loads(line)
        assert "error" not in said, f"{block}\n{said['error']}"
        return said

    def end(self) -> None:
        self.process.communicate(timeout=TIMEOUT)
        SERVERS.discard(self.process.pid)


class Parked:
    """The message of a call that waits for its time."""

    def __init__(self, member: bytes, message: dict[str, Any]) -> None:
        self.queue = member.partition(b"\0")[0].decode()
        self.headers = message["headers"]
        self.priority = message["properties"]["priority"]

    def seconds(self, header: str) -> float:
        """From now until what this header says."""
        moment = datetime.fromisoformat(self.headers[header])
        return (moment - datetime.now(moment.tzinfo)).total_seconds()  # noqa: TID251  a worker's clock is the system's


class Project:
    """A folder with a project in it, a Redis of its own, and the ledger that its tasks write.

    ``bin`` is where ``python`` and ``celery`` are. URLs of a Redis on the usual port mean this one.
    """

    def __init__(self, folder: Path, bin: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.bin = bin
        self.redis = RedisServer(folder / "redis")
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self.environment = {**environment, "LEDGER": str(self.ledger), "PYTHONUNBUFFERED": "1", **BARE}
        self.running: list[Running] = []
        self._worker: Running | None = None
        self._console: Console | None = None

    def write(self, name: str, text: str) -> None:
        """A file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.redirected(text))

    def redirected(self, text: str) -> str:
        """``text`` with the port of this project's Redis."""
        return text.replace("//localhost:6379/", f"//127.0.0.1:{self.redis.port}/").replace(
            "//redis:6379/", f"//127.0.0.1:{self.redis.port}/"
        )

    @property
    def worker(self) -> Running:
        """The one that goes on as long as the project."""
        assert self._worker is not None
        return self._worker

    @worker.setter
    def worker(self, worker: Running) -> None:
        self._worker = worker

    def start(self, command: str, **more: str) -> Running:
        """Type a command that goes on."""
        log = self.folder / f"{len(self.running)}.log"
        self.running.append(Running(command, log, cwd=self.folder, env={**self.environment, **more}))
        return self.running[-1]

    def type(self, command: str) -> str:
        """Type a command that ends well, and what it said."""
        if command.startswith("redis-cli "):
            command = command.replace("redis-cli ", f"redis-cli -p {self.redis.port} ")
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    @property
    def console(self) -> Console:
        """One Python for all blocks."""
        if self._console is None:
            self._console = Console(
                self.bin / "python",
                self.folder / "console.log",
                cwd=self.folder,
                env={**self.environment, "PYTHONPATH": str(self.folder)},
            )
        return self._console

    def noted(self, *words: object) -> list[list[Any]]:
        """The lines of the ledger that begin with these words."""
        lines = [json.loads(line) for line in self.ledger.read_text().splitlines()]
        return [line for line in lines if line[: len(words)] == list(words)]

    def notes(self, *words: object, count: int = 1) -> list[list[Any]]:
        """Wait for that many of them."""

        def enough() -> list[list[Any]]:
            found = self.noted(*words)
            return found if len(found) >= count else []

        try:
            return until(enough, TIMEOUT, what=f"{count} notes {words}")
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *(one.text[-3000:] for one in self.running)])) from error

    def server(self, look: Callable[[redis.Redis], Any], db: int = 0) -> Any:
        """What is on the Redis."""
        with self.redis.client(db) as client:
            return look(client)

    def parked(self, id: str) -> Parked:
        """The message of this call, when it waits for its time (and not because there are too many of its task)."""

        def look(server: Any) -> Any:
            for member, body in server.hgetall("umbel:delayed:body").items():
                message = json.loads(body)
                if message["headers"]["id"] == id and message["headers"]["eta"]:
                    return Parked(member, message)
            return None

        found: Parked = until(lambda: self.server(look), TIMEOUT, what=f"{id} waits for its time")
        return found

    def close(self) -> None:
        if self._console is not None:
            self._console.end()
        for one in self.running:
            one.kill()
        self.redis.kill()
