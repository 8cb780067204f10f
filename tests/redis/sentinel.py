"""A real sentinel of our own that is told who the master is. It never promotes anybody by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.servers import RedisServer

NAME = "mymaster"


class Sentinel(RedisServer):
    """One sentinel that watches one master, which it calls ``mymaster``."""

    def __init__(self, folder: Path, master: RedisServer) -> None:
        super().__init__(folder)
        self._config = folder / "sentinel.conf"
        self._master = master

    def _command(self) -> list[str]:
        watched = f"sentinel monitor {NAME} {self._master.host} {self._master.port} 1"
        quiet = f"sentinel down-after-milliseconds {NAME} 600000"
        own = f"port {self.port}\nbind {self.host}\ndir {self.folder}\nlogfile {self.log}"
        self._config.write_text(f"{own}\n{watched}\n{quiet}\n")
        return [*super()._command()[:1], str(self._config), "--sentinel"]

    def forget(self) -> None:
        """Leave the servers alone while they change places."""
        self._told("SENTINEL", "REMOVE", NAME)

    def watch(self, master: RedisServer) -> None:
        """From now on this is the master."""
        self._told("SENTINEL", "MONITOR", NAME, master.host, master.port, 1)

    def _told(self, *words: object) -> None:
        with self.client() as client:
            client.execute_command(*words)


@contextmanager
def sentinel(folder: Path, master: RedisServer) -> Iterator[Sentinel]:
    """A sentinel for the time of a test."""
    one = Sentinel(folder, master)
    one.start()
    try:
        yield one
    finally:
        one.kill()


def change_places(master: RedisServer, replica: RedisServer) -> None:
    """A coordinated fail-over: the replica has everything before it becomes the master, and the master its replica."""
    with master.client() as client:
        client.execute_command("FAILOVER", "TO", replica.host, replica.port)


def role(server: RedisServer) -> str:
    """``master`` or ``slave``."""
    with server.client() as client:
        try:
            return str(client.info("replication")["role"])
        except redis.RedisError:
            return ""


def in_step(replica: RedisServer) -> bool:
    """Whether a replica has its master's data."""
    with replica.client() as client:
        return bool(client.info("replication").get("master_link_status") == "up")
