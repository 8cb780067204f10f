"""Real faults: killed processes, damaged files, full disks, foreign locks. Nothing is simulated that can be done."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.sites import SqliteSite
from umbel.broker.sqlite import SqliteBroker
from umbel.core.delivery import Ack, Adopted, ConsumerId, Outgoing, Settled, Settlement, Want
from umbel.core.errors import BackendGetMetaError, BackendStoreError, OperationalError
from umbel.drivers.sqlite.trouble import check_owner
from umbel.result.sqlite import SqliteStore
from umbel.runtime.clock import SYSTEM
from umbel.testing.broker_conformance import LEASE, QUEUE, call, new_id, success

HOLDER = """
import asyncio, os, sys
from umbel.broker.sqlite import SqliteBroker
from umbel.core.delivery import Want
async def main(url, id, after):
    consumer = SqliteBroker(url).consumer(id, node="n1", queues=("celery",))
    await consumer.open(lease=30, width=1)
    turn = await consumer.exchange([], Want(("celery",), 10))
    exec(after)
    print(len(turn.deliveries), flush=True)
    sys.stdin.read()
asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def holder(url: str, after: str = "") -> Iterator[tuple["subprocess.Popen[str]", ConsumerId, int]]:
    """A process that holds claims, and lives until its standard input is closed."""
    id = new_id()
    command = [sys.executable, "-c", HOLDER, url, id, after]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        count = int(process.stdout.readline())
        try:
            yield process, id, count
        finally:
            process.kill()


async def rescue(broker: SqliteBroker) -> list[Adopted]:
    """What a worker finds that looks for the dead, once."""
    consumer = broker.consumer(new_id(), node="n2", queues=())
    await consumer.open(lease=LEASE, width=0)
    adopted = await broker.keeper(consumer).adopt(None, 100)
    settlements = [Settlement(one.delivery.ticket, Ack()) for one in adopted]
    await consumer.exchange(settlements, Want((), 0))
    await consumer.close()
    return adopted


async def ready(broker: SqliteBroker) -> int:
    (depth,) = broker.sync_producer().survey([QUEUE])
    return depth.ready


@pytest.fixture
def site(tmp_path: Path) -> SqliteSite:
    return SqliteSite(tmp_path, SYSTEM)


@pytest.fixture
def broker(site: SqliteSite) -> Iterator[SqliteBroker]:
    broker = SqliteBroker(site.url)
    yield broker
    broker.close()
    site.close()


def publish(broker: SqliteBroker, *messages: Outgoing) -> None:
    broker.sync_producer().publish(messages, deadline=5)


# Processes ------------------------------------------------------------------------------------------------------------


def test_what_a_killed_process_held_is_found_at_once(broker: SqliteBroker) -> None:
    publish(broker, call("one"), call("two"))
    with holder(broker.url) as (process, id, count):
        assert count == 2
        assert asyncio.run(rescue(broker)) == []
        process.send_signal(signal.SIGKILL)
        process.wait()
        adopted = asyncio.run(rescue(broker))
    assert [(one.was, one.pid) for one in adopted] == [(id, process.pid)] * 2
    assert asyncio.run(rescue(broker)) == []
    assert list(broker._locks.names()) == []


def test_a_frozen_process_is_not_dead(broker: SqliteBroker) -> None:
    publish(broker, call("one"))
    with holder(broker.url) as (process, _, _):
        process.send_signal(signal.SIGSTOP)
        assert asyncio.run(rescue(broker)) == []


FORKS = """
child = os.fork()
if child == 0:
    os.close(0); os.close(1); os.setsid()
    os.read(int(os.environ["KEEP_ALIVE"]), 1)
    os._exit(0)
"""


def test_a_child_of_the_dead_does_not_keep_it_alive(broker: SqliteBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(broker, call("one"))
    ours, theirs = os.pipe()
    os.set_inheritable(ours, True)
    monkeypatch.setenv("KEEP_ALIVE", str(ours))
    id = new_id()
    command = [sys.executable, "-c", HOLDER, broker.url, id, FORKS]
    try:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[ours]
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "1\n"
            assert asyncio.run(rescue(broker)) == []
            process.kill()
            process.wait()
        assert [one.was for one in asyncio.run(rescue(broker))] == [id]
    finally:
        os.close(theirs)  # the child reads end of file, and ends
        os.close(ours)


READS_ITS_FOLDER = """
for path in __import__("pathlib").Path(os.environ["FOLDER"]).iterdir():
    path.read_bytes()
"""


def test_a_process_that_reads_its_own_lock_file_stays_alive(
    broker: SqliteBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(broker, call("one"))
    monkeypatch.setenv("FOLDER", str(broker._locks.folder))
    with holder(broker.url, READS_ITS_FOLDER) as (process, id, _):
        assert asyncio.run(rescue(broker)) == []
        process.kill()
        process.wait()
        assert [one.was for one in asyncio.run(rescue(broker))] == [id]


def test_a_lock_file_without_a_consumer_is_swept(broker: SqliteBroker) -> None:
    broker._locks.folder.mkdir()
    (broker._locks.folder / "orphan").touch()

    async def body() -> None:
        consumer = broker.consumer(new_id(), node="n2", queues=())
        await consumer.open(lease=LEASE, width=0)
        await broker.keeper(consumer).prune()
        assert broker._locks.names() == [consumer.id]
        await consumer.close()

    asyncio.run(body())
    assert broker._locks.names() == []


WRITER = """
import sys
from umbel.broker.sqlite import SqliteBroker
from umbel.testing.broker_conformance import call
producer = SqliteBroker(sys.argv[1]).sync_producer()
for n in range(int(sys.argv[3])):
    producer.publish([call(f"{sys.argv[2]}-{n}")], deadline=30)
"""

DRAINER = """
import asyncio, sys, uuid
from umbel.broker.sqlite import SqliteBroker
from umbel.core.delivery import *
from umbel.core.record import Record
from umbel.result.sqlite import SqliteStore
async def main(url, total):
    broker, store = SqliteBroker(url), SqliteStore(url, expires=None)
    consumer = broker.consumer(uuid.uuid4().hex, node="n", queues=("celery",))
    await consumer.open(lease=30, width=1)
    settlements, done = [], []
    while True:
        turn = await consumer.exchange(settlements, Want(("celery",), 16))
        assert all(type(verdict) is Settled for verdict in turn.verdicts)
        ids = [one.message.headers.id for one in turn.deliveries]
        if "end" in ids:
            break
        done += ids
        settlements = [Settlement(one.ticket, Ack(), (), (store.compile(Record("SUCCESS", task_id=id)),))
                       for one, id in zip(turn.deliveries, ids)]
        if not turn.deliveries:
            await consumer.wait(1)
    await consumer.close()
    print("\\n".join(done))
asyncio.run(main(sys.argv[1], 0))
"""


@pytest.mark.slow
def test_six_writers_and_two_drainers_lose_nothing_and_double_nothing(broker: SqliteBroker) -> None:
    each = 300
    drainers = [
        subprocess.Popen([sys.executable, "-c", DRAINER, broker.url], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, broker.url, str(n), str(each)]) for n in range(6)]
    assert [writer.wait() for writer in writers] == [0] * 6
    # "end" goes to the back; each drainer that meets it leaves it, unsettled, to the other.
    publish(broker, call("end"))
    done = [line for drainer in drainers for line in drainer.communicate()[0].split()]
    assert [drainer.returncode for drainer in drainers] == [0, 0]
    expected = [f"{n}-{i}" for n in range(6) for i in range(each)]
    assert len(done) == len(set(done))
    assert set(expected) - set(done) == set()
    store = SqliteStore(broker.url, expires=None)
    assert len(store.sync.read(expected)) == len(expected)
    store.sync.close()


FORKED_CHILD = """
import os, sys, threading
from umbel.broker.sqlite import SqliteBroker
from umbel.testing.broker_conformance import call
broker = SqliteBroker(sys.argv[1])
producer = broker.sync_producer()
stop = threading.Event()
def busy():
    while not stop.is_set():
        producer.publish([call("busy")], deadline=30)
thread = threading.Thread(target=busy)
thread.start()
children = []
for _ in range(30):
    producer.publish([call("parent")], deadline=30)
    pid = os.fork()
    if pid == 0:
        producer.publish([call("child")], deadline=30)
        sys.exit(0)  # the whole way out: everything is finalized, as a child of a task would
    children.append(pid)
codes = [os.waitpid(pid, 0)[1] for pid in children]
stop.set()
thread.join()
producer.publish([call("parent")], deadline=30)
broker.close()
print(codes.count(0))
"""


@pytest.mark.slow
def test_a_producer_works_on_both_sides_of_a_fork(broker: SqliteBroker) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED_CHILD, broker.url]
    assert subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout == "30\n"
    with sqlite3.connect(broker.database.path) as link:
        rows = link.execute(
            "SELECT json_extract(CAST(head AS TEXT), '$.headers.task'), count(*) FROM message GROUP BY 1"
        ).fetchall()
    link.close()
    counts = dict(rows)
    assert (counts["child"], counts["parent"]) == (30, 31)


OUTLIVES_ITS_PARENT = """
import os, sys
from umbel.broker.sqlite import SqliteBroker
from umbel.testing.broker_conformance import call
producer = SqliteBroker(sys.argv[1]).sync_producer()
producer.publish([call("parent")], deadline=30)
if os.fork():
    os._exit(0)
producer.publish([call("child")], deadline=30)
print("ready", flush=True)
sys.stdin.readline()
producer.publish([call("child")], deadline=30)
print("done", flush=True)
os._exit(0)
"""


def test_a_child_that_outlives_its_parent_holds_locks_of_its_own(site: SqliteSite) -> None:
    command = [sys.executable, "-c", OUTLIVES_ITS_PARENT, site.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.wait()  # the parent; the child has its pipes
        other = SqliteBroker(site.url)
        assert asyncio.run(ready(other)) == 2
        other.close()  # were the child's locks not real, the last to close would now delete the log under its feet
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n"
    assert asyncio.run(ready(SqliteBroker(site.url))) == 3


PROBE = """
import fcntl, sys
try:
    fcntl.lockf(open(sys.argv[1], "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB)
    print("free")
except OSError:
    print("locked")
"""


def test_a_lock_that_was_dropped_by_accident_is_taken_again(broker: SqliteBroker) -> None:
    def probe(id: str) -> str:
        command = [sys.executable, "-c", PROBE, str(broker._locks.folder / id)]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    async def body() -> list[str]:
        consumer = broker.consumer(new_id(), node="n", queues=())
        await consumer.open(lease=LEASE, width=1)
        found = [probe(consumer.id)]
        (broker._locks.folder / consumer.id).read_bytes()
        found.append(probe(consumer.id))
        await consumer.renew([])
        found.append(probe(consumer.id))
        await consumer.close()
        return found

    assert asyncio.run(body()) == ["locked", "free", "locked"]


# The write lock -------------------------------------------------------------------------------------------------------


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody else writes, and does not come to an end."""
    link = sqlite3.connect(path, isolation_level=None)
    link.execute("BEGIN IMMEDIATE")
    yield
    link.execute("ROLLBACK")
    link.close()


def test_publishing_ends_within_its_deadline_whatever_others_do(broker: SqliteBroker) -> None:
    publish(broker, call("one"))
    with locked(broker.database.path):
        before = SYSTEM.monotonic()
        with pytest.raises(OperationalError, match=r"umbel\.db stayed locked"):
            broker.sync_producer().publish([call("two")], deadline=0.1)
        with pytest.raises(OperationalError, match="stayed locked"):
            broker.sync_producer().publish([call("two"), call("three")], deadline=0.1)
        with pytest.raises(OperationalError, match="stayed locked"):
            asyncio.run(broker.producer().publish([call("two")], deadline=0.1))
        assert SYSTEM.monotonic() - before < 5
    assert asyncio.run(ready(broker)) == 1


def test_waiting_for_the_lock_leaves_the_event_loop_free(broker: SqliteBroker) -> None:
    publish(broker, call("one"))

    async def body() -> None:
        others = 0
        with locked(broker.database.path):
            publishing = asyncio.create_task(broker.producer().publish([call("two")], deadline=30))
            while others < 100:
                others += 1
                await asyncio.sleep(0)
            assert not publishing.done()
        await publishing

    asyncio.run(body())
    assert asyncio.run(ready(broker)) == 2


# The file -------------------------------------------------------------------------------------------------------------


def refusal(url: str) -> str:
    """What a producer, a consumer and a store say about a file that they cannot use: all the same."""
    broker, store = SqliteBroker(url), SqliteStore(url, expires=None)
    with pytest.raises(OperationalError) as publishing:
        broker.sync_producer().publish([call("one")], deadline=1)
    with pytest.raises(OperationalError) as opening:
        asyncio.run(broker.consumer(new_id(), node="n", queues=()).open(lease=LEASE, width=1))
    with pytest.raises(BackendGetMetaError) as reading:
        store.sync.read(["one"])
    with pytest.raises(BackendStoreError) as writing:
        store.sync.write([success("one")])
    assert publishing.value.__cause__ is None or isinstance(publishing.value.__cause__, sqlite3.Error)
    said = str(publishing.value)
    assert str(opening.value) == said
    assert said in str(reading.value)
    assert said in str(writing.value)
    broker.close()
    store.sync.close()
    return said


def test_a_file_that_is_no_database(site: SqliteSite) -> None:
    site.path.write_bytes(b"hello, this is a text file, and a long one at that\n" * 100)
    assert refusal(site.url) == f"{site.path} is not a SQLite database: use another file"


def test_a_damaged_file(site: SqliteSite, broker: SqliteBroker) -> None:
    publish(broker, *[call(f"n{n}", body=b"x" * 500) for n in range(200)])
    broker.close()
    data = bytearray(site.path.read_bytes())
    assert len(data) > 50_000
    data[4096:] = b"\xa5" * (len(data) - 4096)
    site.path.write_bytes(data)
    said = refusal(site.url)
    assert said.startswith(f"{site.path} is damaged (")
    assert "restore a copy" in said


def test_the_database_of_another_program(site: SqliteSite) -> None:
    with site.connect() as link:
        link.execute("CREATE TABLE theirs (x)")
    link.close()
    assert "is the database of another program" in refusal(site.url)


def test_a_file_of_a_newer_umbel(site: SqliteSite, broker: SqliteBroker) -> None:
    publish(broker, call("one"))
    store = site.store()
    store.sync.write([success("one")])
    with site.connect() as link:
        link.execute("UPDATE part SET version = 99")
    link.close()
    broker.close()
    store.sync.close()
    with pytest.raises(OperationalError, match=r"written by another version .* upgrade Umbel here"):
        SqliteBroker(site.url).sync_producer().survey([QUEUE])


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    said = refusal(f"sqlite:///{tmp_path / 'nowhere' / 'umbel.db'}")
    assert said.endswith(f"there is no folder {tmp_path / 'nowhere'}; create it, or use another path")


def test_a_path_that_is_a_folder(tmp_path: Path) -> None:
    assert "it is a folder; give the path of a file" in refusal(f"sqlite:///{tmp_path}")


AS_NOBODY = """
import os, sys
from umbel.broker.sqlite import SqliteBroker
from umbel.core.errors import OperationalError
from umbel.testing.broker_conformance import call
if os.geteuid() == 0:
    os.setuid(65534)
try:
    SqliteBroker(sys.argv[1]).sync_producer().publish([call("one")], deadline=1)
except OperationalError as error:
    print(error)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may look into."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def as_nobody(url: str) -> str:
    """What a user without any rights is told."""
    command = [sys.executable, "-c", AS_NOBODY, url]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout.strip()


def test_a_folder_that_may_not_be_written(open_folder: Path) -> None:
    path = open_folder / "umbel.db"
    open_folder.chmod(0o555)
    said = as_nobody(f"sqlite:///{path}")
    assert said == f"cannot open {path}: this user may not write in {open_folder}; allow it, or use another path"


def test_a_file_that_may_not_be_written(open_folder: Path) -> None:
    path = open_folder / "umbel.db"
    broker = SqliteBroker(f"sqlite:///{path}")
    publish(broker, call("one"))
    broker.close()
    path.chmod(0o444)
    open_folder.chmod(0o555)
    assert f"{path} is read-only: this user must be allowed to write" in as_nobody(broker.url)


# A full disk ----------------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of 1 MiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(broker: SqliteBroker, limit: int = 10_000) -> tuple[int, str]:
    """Publish until the disk is full: how many were accepted, and what was said then."""
    producer = broker.sync_producer()
    for count in range(limit):
        try:
            producer.publish([call(f"n{count}", body=b"x" * 2000)], deadline=5)
        except OperationalError as error:
            return count, str(error)
    raise AssertionError("the disk never was full")


async def drain(broker: SqliteBroker) -> list[str]:
    consumer = broker.consumer(new_id(), node="n", queues=(QUEUE,))
    await consumer.open(lease=LEASE, width=1)
    found: list[str] = []
    settlements: list[Settlement] = []
    while True:
        turn = await consumer.exchange(settlements, Want((QUEUE,), 20))
        assert {type(verdict) for verdict in turn.verdicts} <= {Settled}
        if not turn.deliveries:
            break
        found += [one.message.headers.task for one in turn.deliveries if one.message]
        settlements = [Settlement(one.ticket, Ack()) for one in turn.deliveries]
    await consumer.close()
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk; the next test needs no rights")
def test_a_full_disk_says_so_and_loses_nothing(site: SqliteSite, tmp_path: Path) -> None:
    with small_disk(tmp_path):
        broker = SqliteBroker(site.url)
        ballast = tmp_path / "ballast"
        ballast.write_bytes(b"x" * 300_000)
        count, said = fill(broker)
        assert count > 10
        assert fill(broker, 5)[0] == 0, "it was not full"
        assert said == (f"no room to write {site.path}: free some space on its disk; what was stored before is intact")
        ballast.unlink()
        assert asyncio.run(drain(broker)) == [f"n{n}" for n in range(count)]
        publish(broker, call("again"))
        assert asyncio.run(drain(broker)) == ["again"]
        broker.close()


def test_a_file_that_may_not_grow_says_so_and_loses_nothing(broker: SqliteBroker) -> None:
    broker.database.look(lambda link: link.execute("PRAGMA max_page_count = 100").fetchone())
    count, said = fill(broker)
    assert count > 10
    assert said.startswith("no room to write")
    with broker_without_limit(broker) as free:
        assert asyncio.run(drain(free)) == [f"n{n}" for n in range(count)]


@contextmanager
def broker_without_limit(broker: SqliteBroker) -> Iterator[SqliteBroker]:
    broker.close()
    free = SqliteBroker(broker.url)
    yield free
    free.close()


def test_a_file_that_another_process_makes_at_the_same_moment_is_ours(tmp_path: Path) -> None:
    """It was empty when its mark was read, and had tables a moment later."""
    path = tmp_path / "new.db"

    class Late(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            if "sqlite_master" in statement:
                SqliteBroker(f"sqlite:///{path}").database.prepare()
            return super().execute(statement, *values)

    link = sqlite3.connect(path, factory=Late)
    check_owner(link, path)
    link.close()
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE mine (x)")
    with pytest.raises(OperationalError, match="another program"):
        check_owner(other, tmp_path / "other.db")
    other.close()
