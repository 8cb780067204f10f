"""Workers and callers of both kinds on one server, and the ledger of what ran."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import redis

from tests.interop.environments import ROOT, need
from tests.worker.fleet import until

READY = 60.0


def whole_lines(path: Path) -> list[str]:
    """The lines of a file that may just be being written."""
    return path.read_text().rpartition("\n")[0].splitlines()


class Node:
    """One worker process, Umbel's or Celery's. Its output is in ``log``."""

    def __init__(self, kind: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.kind = kind
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
                cwd=ROOT,
            )

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def ready(self) -> "Node":
        def said() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"the worker ended with {self.process.returncode}:\n{self.text}")
            return "ready." in self.text

        until(said, READY, what=f"{self.kind} ready")
        return self

    def stop(self) -> int:
        """TERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def end(self) -> None:
        """Whatever it takes."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(20)


class CeleryClient:
    """A real Celery in a process of its own; every verb of ``celery_client`` is a method."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._log = log.open("wb")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
            cwd=ROOT,
        )

    def __getattr__(self, verb: str) -> Any:
        return lambda *args, **arguments: self.ask(verb, *args, **arguments)

    def ask(self, verb: str, *names: Any, **arguments: Any) -> Any:
        """Ask, and wait for the answer. One positional argument is ``id`` or ``name``."""
        if names:
            arguments["name" if verb.startswith("send") else "queue" if verb in ("depth", "declare") else "id"] = names[
                0
            ]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([verb, arguments]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the client ended"}')
        if "error" in answer:
            raise AssertionError(f"{answer['error']}\n{Path(self._log.name).read_text()}")
        return answer["answer"]

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
        self._log.close()


class Fleet:
    """Everything that one test runs: on one database, with one ledger."""

    def __init__(self, folder: Path, broker: str, results: str | None, **settings: Any) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self.settings = {"broker_url": broker, "result_backend": results, **settings}
        self.environment = os.environ | {
            "INTEROP_SETTINGS": json.dumps(self.settings),
            "INTEROP_LEDGER": str(self.ledger),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        self.nodes: list[Node] = []
        self._clients: list[CeleryClient] = []

    def celery(self, version: str, *arguments: str, app: str = "celery_app", ready: bool = True) -> Node:
        """A Celery worker."""
        command = [str(need(version)), "-m", "celery", "-A", f"tests.interop.{app}", "worker", "-l", "INFO"]
        quiet = ["--without-gossip", "--without-mingle", "-n", f"celery-{len(self.nodes)}@interop"]
        return self._node("celery", [*command, *quiet, *(arguments or ("-c", "1"))], ready)

    def umbel(self, *arguments: str, app: str = "umbel_app", ready: bool = True) -> Node:
        """An Umbel worker."""
        command = [sys.executable, "-m", "umbel", "-A", f"tests.interop.{app}", "worker", "-l", "INFO"]
        name = ["-n", f"umbel-{len(self.nodes)}@interop"]
        return self._node("umbel", [*command, *name, *(arguments or ("-c", "1"))], ready)

    def _node(self, kind: str, command: list[str], ready: bool) -> Node:
        node = Node(kind, command, self.environment, self.folder / f"{kind}-{len(self.nodes)}.log")
        self.nodes.append(node)
        return node.ready() if ready else node

    def celery_client(self, version: str) -> CeleryClient:
        """A Celery caller."""
        command = [str(need(version)), "-m", "tests.interop.celery_client"]
        self._clients.append(CeleryClient(command, self.environment, self.folder / f"client-{len(self._clients)}.log"))
        return self._clients[-1]

    @contextmanager
    def umbel_client(self) -> Iterator[Any]:
        """An Umbel app that knows the subjects."""
        from tests.interop.subjects import define  # noqa: PLC0415  tests import what they test late
        from umbel import Broadcast, Umbel  # noqa: PLC0415

        settings = {"task_max_rest": None, **self.settings}
        if "broadcast" in settings:
            name = settings.pop("broadcast")
            settings["task_queues"] = {**settings["task_queues"], name: Broadcast(name)}
        broker, backend = settings.pop("broker_url"), settings.pop("result_backend")
        app = define(Umbel("interop", broker=broker, backend=backend, set_as_current=False, **settings))
        try:
            yield app
        finally:
            app.close()

    def flush(self) -> None:
        """Forget what is on the server, and in the ledger."""
        with redis.Redis.from_url(self.settings["broker_url"]) as client:
            client.flushdb()

    def ran(self, *words: object) -> list[dict[str, Any]]:
        """Ledger lines whose words begin so."""
        lines = [json.loads(line) for line in whole_lines(self.ledger)]
        return [line for line in lines if line["words"][: len(words)] == list(words)]

    def runs(self) -> int:
        """How many lines the ledger has; cheap enough to ask often."""
        return self.ledger.read_bytes().count(b"\n")

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for node in self.nodes:
            node.end()
        for client in self._clients:
            client.close()
        for node in self.nodes:  # shown by pytest where the test failed
            lines = [line for line in node.text.splitlines() if "Task interop" not in line]
            sys.stderr.write("\n".join([f"--- {node.log.name}", *lines[-60:], ""]))
