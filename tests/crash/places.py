"""Where the fleets of the crash tests keep their messages: a class for each adapter, with what can happen there.

The next adapter joins by one more class in ``PLACES``.
"""

import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.crash.proxy import Proxy
from tests.redis.sentinel import change_places, in_step, role
from tests.servers import RedisServer

DISK = "48m"
Wait = Callable[[Callable[[], object], float, str], None]


class SqlitePlace:
    """A file; on a small disk of its own where that may be mounted."""

    name = "sqlite"

    def __init__(self, folder: Path, stack: ExitStack, lease: float) -> None:
        self._disk = folder / "disk"
        self._disk.mkdir()
        self.can_fill = os.geteuid() == 0 and _mounted(self._disk)
        if self.can_fill:
            stack.callback(subprocess.run, ["umount", "--lazy", str(self._disk)], check=True)
        self.url = self.caller_url = self.look_url = f"sqlite:///{self._disk / 'crash.db'}"

    @property
    def missing(self) -> frozenset[str]:
        """Kinds that cannot be done here."""
        return frozenset() if self.can_fill else frozenset({"full-disk"})

    def is_calm(self) -> bool:
        """Nobody has a lease that could lapse."""
        return True

    @contextmanager
    def locked(self) -> Any:
        """Somebody else writes, and does not come to an end."""
        link = sqlite3.connect(self._disk / "crash.db", isolation_level=None, timeout=10)
        link.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            link.execute("ROLLBACK")
            link.close()

    @contextmanager
    def full(self) -> Any:
        """Not a byte more."""
        ballast = self._disk / "ballast"
        try:
            with ballast.open("wb", buffering=0) as file:
                for size in (1 << 20, 1 << 12):
                    try:
                        while True:
                            file.write(bytes(size))
                    except OSError:
                        pass
            yield
        finally:
            ballast.unlink()

    @contextmanager
    def unheard(self) -> Any:
        """Callers get no answer."""
        with self.locked():
            yield


def _mounted(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


class RedisPlace:
    """Two servers, one the other's replica, that write down everything; a proxy for workers and one for callers."""

    name = "redis"
    missing: frozenset[str] = frozenset()

    def __init__(self, folder: Path, stack: ExitStack, lease: float) -> None:
        self.lease = lease
        durable: dict[str, Any] = {"appendonly": "yes", "appendfsync": "always", "repl_timeout": 60}
        self.master = RedisServer(folder / "one", **durable).start()
        self.replica = RedisServer(folder / "two", replica_of=self.master, **durable).start()
        for server in (self.master, self.replica):
            stack.callback(server.kill)
            stack.callback(server.thaw)
        self.workers = stack.enter_context(Proxy(self.master.port))
        self.callers = stack.enter_context(Proxy(self.master.port))
        self.lookers = stack.enter_context(Proxy(self.master.port))
        self.url, self.caller_url, self.look_url = self.workers.url(), self.callers.url(), self.lookers.url()

    @contextmanager
    def unheard(self) -> Any:
        """Callers get no answer."""
        self.callers.drops = True
        try:
            yield
        finally:
            self.callers.drops = False

    def is_calm(self) -> bool:
        """Whether everybody has renewed lately: who is out of reach for two faults in a row may lose its lease."""
        try:
            with self.master.client() as look:
                seconds, micros = look.time()
                now = seconds + micros / 1e6
                return not look.zrangebyscore("umbel:consumers", "-inf", now + self.lease / 2)
        except redis.RedisError:
            return False

    def ready_to_fail_over(self) -> bool:
        """Whether the replica has everything."""
        try:
            return in_step(self.replica)
        except redis.RedisError:
            return False

    def fail_over(self, wait: Wait) -> None:
        """The replica becomes the master; everybody is led there."""
        change_places(self.master, self.replica)
        wait(lambda: (role(self.master), role(self.replica)) == ("slave", "master"), 20, "places are changed")
        self.master, self.replica = self.replica, self.master
        self.master.options.pop("replicaof", None)  # for when they are started again
        self.replica.options["replicaof"] = f"{self.master.host} {self.master.port}"
        for proxy in (self.workers, self.callers, self.lookers):
            proxy.lead(self.master.port)


Place = SqlitePlace | RedisPlace
PLACES: dict[str, type[SqlitePlace] | type[RedisPlace]] = {"sqlite": SqlitePlace, "redis": RedisPlace}
