"""Redis servers of our own for tests: private processes, and the fixtures that hand them out.

A server is found on ``PATH`` or installed where that is allowed. ``UMBEL_TEST_REDIS_URL`` names one to use instead;
on that one nothing is touched but databases that were empty.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from tests.missing import missing
from tests.processes import SERVERS
from tests.worker.fleet import until

GIVEN = "UMBEL_TEST_REDIS_URL"
ADVICE = f"no redis-server here: apt-get install redis-server, or set {GIVEN}"
DATABASES = 1024
DB_TAKEN = "umbel:test:db:"

_INSTALL = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", "redis-server")
_die_with_parent = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1


class NoServer(Exception):
    """There is no redis-server, and none could be had."""


@cache
def binary() -> str:
    """The path of redis-server. Raises ``NoServer``."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }
        subprocess.run(_INSTALL, **quiet, check=False, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
        found = shutil.which("redis-server")
    if found is None:
        raise NoServer(ADVICE)
    return found


class RedisServer:
    """One private server. It ends with this process, whatever happens; its data stay in ``folder``.

    ``options`` are those of redis.conf with ``_`` for ``-``: ``appendonly="yes"``, ``maxmemory="8mb"``.
    """

    host = "127.0.0.1"

    def __init__(
        self, folder: Path, *, password: str | None = None, replica_of: "RedisServer | None" = None, **options: object
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.password = password
        self.log = folder / "redis.log"
        self.port = free_port()
        self.options: dict[str, object] = {"save": "", "databases": DATABASES, "repl_diskless_sync_delay": 0, **options}
        if password is not None:
            self.options["requirepass"] = password
        if replica_of is not None:
            self.options["replicaof"] = f"{replica_of.host} {replica_of.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._taken = 0

    def url(self, db: int = 0) -> str:
        """The URL of a database."""
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}{self.host}:{self.port}/{db}"

    def client(self, db: int = 0, **options: Any) -> redis.Redis:
        """A look from outside."""
        return redis.Redis.from_url(self.url(db), **options)

    def take(self) -> int:
        """An empty database, for one test."""
        self._taken = self._taken % (DATABASES - 1) + 1
        return self._taken

    def give_back(self, db: int) -> None:
        """Empty it."""
        with self.client(db) as client:
            client.flushdb()

    def start(self) -> "RedisServer":
        """Start, and wait until it answers."""
        for _ in range(5):
            self.process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
            SERVERS.add(self.process.pid)
            until(lambda: self.answers() or self.ended(), what=f"redis-server ready, see {self.log}")
            if not self.ended():
                return self
            if b"Address already in use" not in self.log.read_bytes():
                break
            self.port = free_port()
        raise AssertionError(f"redis-server ended: {self.log.read_text()[-2000:]}")

    def _command(self) -> list[str]:
        options = {"port": self.port, "bind": self.host, "dir": self.folder, "logfile": self.log, **self.options}
        words = [[f"--{name.replace('_', '-')}", *(str(value).split() or [""])] for name, value in options.items()]
        return [binary(), *[word for pair in words for word in pair]]

    def answers(self) -> bool:
        """Whether it serves: it accepts, and is not loading. (A demand for a password is an answer.)"""
        try:
            with socket.create_connection((self.host, self.port), 1) as link:
                link.sendall(b"PING\r\n")
                return link.recv(100).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def ended(self) -> bool:
        """Whether its process is no more."""
        return self.process is None or self.process.poll() is not None

    def stop(self) -> None:
        """End it in peace, its data written."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        self._reap()

    def kill(self) -> None:
        """End it at once."""
        self.signal(signal.SIGKILL)
        self._reap()

    def restart(self) -> None:
        """Kill it, and start it on the same port and data."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Keep its connections and answer nothing, until ``thaw``."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self.signal(signal.SIGCONT)

    def signal(self, number: int) -> None:
        """Send a signal, if it lives."""
        if self.process is not None and not self.ended():
            self.process.send_signal(number)

    def _reap(self) -> None:
        if self.process is not None:
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(20)
            SERVERS.discard(self.process.pid)


class GivenServer:
    """The server that ``UMBEL_TEST_REDIS_URL`` names. It is somebody's."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self.own_db = int(self._parts.path.strip("/") or 0)

    def url(self, db: int = 0) -> str:
        """The URL of a database."""
        return self._parts._replace(path=f"/{db}").geturl()

    def client(self, db: int = 0, **options: Any) -> redis.Redis:
        """A look from outside."""
        return redis.Redis.from_url(self.url(db), **options)

    def take(self) -> int:
        """A database that is empty and that no other run of tests took."""
        with self.client(self.own_db) as client:
            for db in range(int(client.config_get("databases")["databases"])):
                empty = db != self.own_db and f"db{db}" not in client.info("keyspace")
                if empty and client.set(f"{DB_TAKEN}{db}", "1", nx=True, ex=3600):
                    return db
        raise AssertionError(f"no empty database at {GIVEN}")

    def give_back(self, db: int) -> None:
        """Empty it again, and let others take it."""
        with self.client(db) as client:
            client.flushdb()
        with self.client(self.own_db) as client:
            client.delete(f"{DB_TAKEN}{db}")


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as sock:
        sock.bind((RedisServer.host, 0))
        return int(sock.getsockname()[1])


def _end_with_parent() -> None:
    _die_with_parent(_PR_SET_PDEATHSIG, signal.SIGKILL)


# Fixtures -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer | GivenServer]:
    """The server that tests share which do it no harm. Each takes a database of its own: ``redis_url``."""
    if os.environ.get(GIVEN):
        yield GivenServer(os.environ[GIVEN])
        return
    server = RedisServer(_need(tmp_path_factory.mktemp("redis"))).start()
    yield server
    server.kill()


@pytest.fixture
def redis_db(redis_server: RedisServer | GivenServer) -> Iterator[int]:
    """The number of an empty database that is this test's alone."""
    db = redis_server.take()
    yield db
    redis_server.give_back(db)


@pytest.fixture
def redis_url(redis_server: RedisServer | GivenServer, redis_db: int) -> str:
    """The URL of an empty database that is this test's alone."""
    return redis_server.url(redis_db)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Any]:
    """Makes servers for one test, to be killed and restarted at will: ``own_redis(appendonly="yes")``."""
    _need(tmp_path)
    made: list[RedisServer] = []

    def make(**options: Any) -> RedisServer:
        made.append(RedisServer(tmp_path / f"redis-{len(made)}", **options))
        return made[-1].start()

    yield make
    for server in made:
        server.thaw()
        server.kill()


def _need(folder: Path) -> Path:
    try:
        binary()
    except NoServer as exc:
        missing(str(exc))
    return folder
