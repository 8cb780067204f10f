"""What only the SQLite adapter has: its URL and options, its statements' plans, its warnings."""

import asyncio
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.conformance.sites import SqliteSite
from umbel.broker import lookup as brokers
from umbel.broker.lookup import open_broker
from umbel.broker.sqlite import SqliteBroker
from umbel.broker.sqlite.tables import SQL
from umbel.core.delivery import Ack, Bury, Keep, Settled, Settlement, Want
from umbel.core.errors import ImproperlyConfigured, UmbelWarning
from umbel.core.record import Record
from umbel.drivers.sqlite import Insert, Write, network_type, trouble
from umbel.result import lookup as stores
from umbel.result.lookup import open_store
from umbel.runtime.clock import SYSTEM
from umbel.testing import FakeClock
from umbel.testing.broker_conformance import LEASE, QUEUE, call, new_id, success


@pytest.fixture
def site(tmp_path: Path) -> SqliteSite:
    return SqliteSite(tmp_path, FakeClock())


# Finding an adapter ---------------------------------------------------------------------------------------------------


def test_urls_are_those_of_sqlalchemy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert SqliteBroker("sqlite:///rel.db").database.path == tmp_path / "rel.db"
    assert SqliteBroker(f"sqlite:///{tmp_path}/abs.db").database.path == tmp_path / "abs.db"
    with_options = SqliteBroker("sqlite:///rel.db?synchronous=full&dead_limit=5")
    assert with_options.database.path == tmp_path / "rel.db"
    assert with_options._dead_limit == 5


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/umbel.db"])
def test_a_url_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"names no file: write sqlite:///relative\.db"):
        open_broker(url)


def test_an_unknown_synchronous_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="synchronous='SOMETIMES' is none of SQLite's: OFF, NORMAL, FULL"):
        open_broker("sqlite:///x.db", options={"synchronous": "SOMETIMES"})


@pytest.mark.parametrize("url", ["sqlite:///x.db", "memory://x"])
def test_an_option_that_an_adapter_has_not_costs_a_warning(url: str) -> None:
    with pytest.warns(
        UmbelWarning, match=r"has no option 'dead_limits', it is not used; options: dead_expires, dead_l"
    ):
        open_broker(url, options={"dead_limits": 5})
    with pytest.warns(UmbelWarning, match="has no option 'visibility_timeout', it is not used"):
        open_store(url, expires=None, options={"visibility_timeout": 5})


@pytest.mark.parametrize("url", ["sqlite:///x.db", "memory://x"])
def test_an_option_that_is_no_number_is_refused(url: str) -> None:
    for value in ("many", -1, None, "nan"):
        with pytest.raises(ImproperlyConfigured, match=r"option dead_limit=.* of .* must be a number, 0 or more"):
            open_broker(url, options={"dead_limit": value})


def built(schemes: Iterable[str]) -> str:
    return ", ".join(f"{scheme}://" for scheme in schemes)


@pytest.mark.parametrize("scheme", ["amqp", "pyamqp", "sqs", "postgresql"])
def test_a_broker_that_is_not_built_yet_says_what_is(scheme: str) -> None:
    with pytest.raises(ImproperlyConfigured) as error:
        open_broker(f"{scheme}://localhost")
    assert str(error.value) == f"brokers at {scheme}:// are not built yet; built are {built(brokers.BUILT)}"


@pytest.mark.parametrize("scheme", ["db+postgresql", "rpc", "mongodb"])
def test_a_store_that_is_not_built_yet_says_what_is(scheme: str) -> None:
    with pytest.raises(ImproperlyConfigured) as error:
        open_store(f"{scheme}://localhost", expires=None)
    assert str(error.value) == f"results at {scheme}:// are not built yet; built are {built(stores.BUILT)}"


def test_nonsense_is_told_from_what_is_planned() -> None:
    with pytest.raises(ImproperlyConfigured, match="no broker serves carrier-pigeon://; built are sqlite://"):
        open_broker("carrier-pigeon://loft")
    with pytest.raises(ImproperlyConfigured, match=r"broker URL 'umbel\.db' has no scheme: write for example sqlite:"):
        open_broker("umbel.db")
    with pytest.raises(ImproperlyConfigured, match="no result store serves carrier-pigeon://"):
        open_store("carrier-pigeon://loft", expires=None)
    with pytest.raises(ImproperlyConfigured, match="has no scheme"):
        open_store("umbel.db", expires=None)


# The file -------------------------------------------------------------------------------------------------------------


def test_making_the_parts_opens_nothing(site: SqliteSite) -> None:
    broker = SqliteBroker(site.url)
    broker.producer()
    broker.sync_producer()
    broker.keeper(broker.consumer(new_id(), node="n", queues=()))
    site.store()
    assert not site.path.exists()


def test_full_is_full(site: SqliteSite) -> None:
    for option, level in (("NORMAL", 1), ("FULL", 2)):
        broker = SqliteBroker(site.url, options={"synchronous": option})
        look = broker.database.look
        assert look(lambda link: link.execute("PRAGMA synchronous").fetchone()) == (level,)
        assert look(lambda link: link.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
        broker.close()


def test_a_result_may_be_settled_before_the_store_was_opened(site: SqliteSite) -> None:
    async def body() -> None:
        broker, store = SqliteBroker(site.url), site.store()
        broker.sync_producer().publish([call("one")], deadline=5)
        consumer = broker.consumer(new_id(), node="n", queues=(QUEUE,))
        await consumer.open(lease=LEASE, width=1)
        (one,) = (await consumer.exchange([], Want((QUEUE,), 1))).deliveries
        settlement = Settlement(one.ticket, Ack(), (), (store.compile(success("one")),))
        assert (await consumer.exchange([settlement], Want((), 0))).verdicts == [Settled()]
        assert set(await store.read(["one"])) == {"one"}
        await consumer.close()
        broker.close()
        site.close()

    asyncio.run(body())


def test_an_operation_of_another_driver_is_refused_alone(site: SqliteSite) -> None:
    async def body() -> None:
        broker, store = SqliteBroker(site.url), site.store()
        broker.sync_producer().publish([call("one"), call("two"), call("three"), call("four")], deadline=5)
        consumer = broker.consumer(new_id(), node="n", queues=(QUEUE,))
        await consumer.open(lease=LEASE, width=1)
        found = (await consumer.exchange([], Want((QUEUE,), 10))).deliveries
        nonsense = Write(Insert("INSERT INTO nowhere VALUES", "(?)"), (1,))
        too_large = store.compile(Record("SUCCESS", task_id="big"))
        too_large = too_large._replace(row=(*too_large.row[:2], 1 << 80, too_large.row[3]))
        bad = [object(), nonsense, too_large]
        settlements = [Settlement(one.ticket, Ack(), (), (op,)) for one, op in zip(found, bad, strict=False)]
        turn = await consumer.exchange([*settlements, Settlement(found[3].ticket, Ack())], Want((), 0))
        assert [type(verdict).__name__ for verdict in turn.verdicts] == ["Refused", "Refused", "Refused", "Settled"]
        await consumer.close()
        broker.close()
        site.close()

    asyncio.run(body())


def test_no_more_dead_letters_are_kept_than_the_limit(site: SqliteSite) -> None:
    async def body() -> None:
        broker = SqliteBroker(site.url, clock=site.clock, options={"dead_limit": 3})
        broker.sync_producer().publish([call(f"n{n}") for n in range(5)], deadline=5)
        consumer = broker.consumer(new_id(), node="n", queues=(QUEUE,))
        await consumer.open(lease=LEASE, width=1)
        for one in (await consumer.exchange([], Want((QUEUE,), 10))).deliveries:
            await consumer.exchange([Settlement(one.ticket, Bury("failed"))], Want((), 0))
        keeper = broker.keeper(consumer)
        assert await keeper.prune() == 2
        assert [one.message.headers.id for one in await keeper.dead() if one.message] == ["n4", "n3", "n2"]
        await consumer.close()
        broker.close()

    asyncio.run(body())


def test_keeping_does_not_need_the_message_again(site: SqliteSite) -> None:
    async def body() -> None:
        broker = SqliteBroker(site.url)
        broker.sync_producer().publish([call("one")], deadline=5)
        consumer = broker.consumer(new_id(), node="n", queues=(QUEUE,))
        await consumer.open(lease=LEASE, width=1)
        (one,) = (await consumer.exchange([], Want((QUEUE,), 10))).deliveries
        for _ in range(3):
            assert (await consumer.exchange([Settlement(one.ticket, Keep())], Want((), 0))).verdicts == [Settled()]
        await consumer.close()
        broker.close()

    asyncio.run(body())


# Cost -----------------------------------------------------------------------------------------------------------------

CLAIM = ("first_ready", "take_ready", "claim", "contents", "next_due", "first_delayed", "take_delayed", "anything")
SETTLE = ("held", "all_held", "unclaim", "delete_messages", "begin", "make_ready", "mark_redelivered", "park", "bury")
KEEP = (
    "claims_of",
    "adopt",
    "prune_dead",
    "prune_revoked",
    "first_ready_queue",
    "first_delayed_queue",
    "count_claimed",
)


@pytest.mark.parametrize("name", [*CLAIM, *SETTLE, *KEEP, "dead_named", "revive", "discard"])
def test_no_statement_walks_over_all_messages(site: SqliteSite, name: str) -> None:
    SqliteBroker(site.url).database.prepare()
    link = site.connect()
    numbered = re.findall(r"\?(\d)", SQL[name])
    values = ["1"] * (int(max(numbered)) if numbered else SQL[name].count("?"))
    plan = [row[3] for row in link.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", values)]
    link.close()
    walks = [
        step for step in plan if step.startswith("SCAN") and not step.endswith(("VIRTUAL TABLE INDEX 1:", "claim"))
    ]
    assert [step for step in walks if "(subquery" not in step] == []
    if name in CLAIM:
        assert not any("TEMP B-TREE" in step for step in plan)


# Network file systems -------------------------------------------------------------------------------------------------

MOUNTS = """\
/dev/vda / ext4 rw 0 0
host:/export /mnt/nfs nfs4 rw 0 0
tmpfs /mnt/nfs/local tmpfs rw 0 0
user@host:/ /mnt/with\\040space fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/me/umbel.db", None),
        ("/mnt/nfs/umbel.db", "nfs4"),
        ("/mnt/nfsother/umbel.db", None),
        ("/mnt/nfs/local/umbel.db", None),
        ("/mnt/with space/umbel.db", "fuse.sshfs"),
    ],
)
def test_a_path_on_another_machine_is_recognized(path: str, expected: str | None) -> None:
    assert network_type(Path(path), MOUNTS) == expected


def test_a_network_file_system_is_said_once(site: SqliteSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "network_type", lambda *_: "nfs4")
    with pytest.warns(UmbelWarning, match=r"umbel\.db is on a network file system \(nfs4\)") as told:
        SqliteBroker(site.url, clock=SYSTEM).database.prepare()
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SqliteBroker(site.url, clock=SYSTEM).database.prepare()
