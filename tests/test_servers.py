"""The servers that other tests stand on."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import servers
from tests.servers import RedisServer
from tests.worker.fleet import until


def test_each_test_has_an_empty_database(redis_server: RedisServer, redis_url: str, redis_db: int) -> None:
    with redis_server.client(redis_db) as client:
        assert client.dbsize() == 0
        client.set("k", "v")
    assert redis_url.endswith(f"/{redis_db}")


def test_a_server_keeps_its_port_and_its_data(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis(appendonly="yes", appendfsync="always")
    with server.client() as client:
        client.set("k", "v")
    server.restart()
    with server.client() as client:
        assert client.get("k") == b"v"
    server.stop()
    assert server.ended()


def test_a_password_a_memory_limit_and_a_replica(own_redis: Callable[..., RedisServer]) -> None:
    master = own_redis(password="secret", maxmemory="50mb")
    replica = own_redis(replica_of=master, masterauth="secret")
    with master.client() as client, replica.client() as copy:
        assert client.config_get("maxmemory") == {"maxmemory": str(50 * 2**20)}
        client.set("k", "v")
        until(lambda: copy.get("k") == b"v", what="the replica has the key")


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from tests.servers import RedisServer; "
    script += "print(RedisServer(Path(sys.argv[1])).start().process.pid, flush=True); sys.stdin.read()"
    starter = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    with starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        watch = os.pidfd_open(pid)
        starter.send_signal(signal.SIGKILL)
    until(lambda: _is_over(watch), what="the server has ended")
    os.close(watch)


def _is_over(watch: int) -> bool:
    try:
        signal.pidfd_send_signal(watch, 0)
    except ProcessLookupError:
        return True
    return False


INNER = """
def test_one(redis_url):
    assert redis_url

def test_two(own_redis):
    own_redis()
"""


@pytest.mark.parametrize("ci", ["", "1"])
def test_without_a_server_one_loud_line_or_a_failure(folder: Path, monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    (folder / "test_inner.py").write_text(INNER)
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv(servers.GIVEN, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.missing",
        "-p",
        "tests.servers",
        "-p",
        "no:cacheprovider",
        "test_inner.py",
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if ci:
        assert run.returncode == 1
        assert servers.ADVICE in run.stdout
    else:
        assert run.returncode == 0
        assert f"2 TESTS DID NOT RUN: {servers.ADVICE}" in run.stdout
