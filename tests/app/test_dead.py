"""``app.dead``, on every adapter: what it shows, what it sends again, what it forgets, and for how long it keeps."""

import asyncio
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.app.conftest import TurnedClock
from umbel import Umbel
from umbel.app.dead import Letter
from umbel.core.delivery import Bury, ConsumerId, Delivery, Loss, Settlement, Want

ADAPTERS = ("memory", "sqlite", "redis")


@pytest.fixture(params=ADAPTERS)
def shop(request: pytest.FixtureRequest, tmp_path: Path, clock: TurnedClock) -> Iterator[Umbel]:
    """An app on a broker of its own."""
    urls = {"memory": f"memory://{uuid.uuid4().hex}", "sqlite": f"sqlite:///{tmp_path / 'dead.db'}"}
    url = urls.get(request.param) or request.getfixturevalue("redis_url")
    with Umbel("shop", broker=url, clock=clock, set_as_current=False) as app:
        yield app


def bury(app: Umbel, *burials: Bury, task: str = "pay") -> list[str]:
    """Have calls buried so, one a second, and return their ids."""
    ids = [app.send_task(task, [number], {"to": "ann"}).id for number, _ in enumerate(burials)]

    async def settle() -> None:
        consumer = app.broker.consumer(ConsumerId(uuid.uuid4().hex), node="n1", queues=("celery",))
        await consumer.open(lease=1e6, width=1)
        claimed: list[Delivery] = []
        while len(claimed) < len(burials):
            claimed += (await consumer.exchange([], Want(("celery",), 100))).deliveries
        for one, burial in zip(claimed, burials, strict=True):
            await consumer.exchange([Settlement(one.ticket, burial)], Want((), 0))
            app.clock.time += 1  # type: ignore[attr-defined]
        await consumer.close()

    asyncio.run(settle())
    return ids


def waiting(app: Umbel) -> int:
    return app.sync_producer.survey(["celery"])[0].ready


FAILED = Bury("failed", "shop.NoStock: 3 left", "Traceback: pay")
LOST = Bury(
    "lost", "killed by SIGSEGV, 5 times", loss=Loss(1_800_000_000.0, "celery@a", 77, 11, None, "killed by SIGSEGV")
)


def test_a_letter_shows_all_that_is_known(shop: Umbel) -> None:
    first, second = bury(shop, FAILED, LOST)
    newest, oldest = shop.dead
    assert (newest.task_id, oldest.task_id) == (second, first)
    assert (oldest.task, oldest.args, oldest.kwargs, oldest.queue) == ("pay", [0], {"to": "ann"}, "celery")
    assert (oldest.reason, oldest.detail, oldest.exception) == ("failed", "shop.NoStock: 3 left", "NoStock")
    assert oldest.traceback == "Traceback: pay"
    assert oldest.at.timestamp() == pytest.approx(1_800_000_000.0)
    assert [(loss.node, loss.pid, loss.signal) for loss in newest.history] == [("celery@a", 77, 11)]
    assert shop.dead.get(first).id == oldest.id == shop.dead.get(oldest.id).id
    assert first in shop.dead
    assert len(asyncio.run(shop.dead.alist(1))) == 1


def test_letters_are_sent_again_with_a_fresh_count(shop: Umbel) -> None:
    (lost,) = bury(shop, LOST)
    assert shop.dead.retry(lost) == 1
    assert list(shop.dead) == []
    assert waiting(shop) == 1

    async def claim() -> Delivery:
        consumer = shop.broker.consumer(ConsumerId(uuid.uuid4().hex), node="n1", queues=("celery",))
        await consumer.open(lease=1e6, width=1)
        (one,) = (await consumer.exchange([], Want(("celery",), 1))).deliveries
        await consumer.close()
        return one

    assert asyncio.run(claim()).losses == 0


def test_letters_are_chosen_by_what_they_are(shop: Umbel) -> None:
    bury(shop, FAILED, LOST)
    bury(shop, FAILED, task="mail")
    assert shop.dead.delete(task="mail", exception="NoStock") == 1
    assert shop.dead.retry(task="mail") == 0
    assert shop.dead.retry(exception="WorkerLostError") == 1
    assert shop.dead.delete(since=timedelta(seconds=0.5)) == 0
    assert asyncio.run(shop.dead.adelete(since="1h")) == 1
    assert waiting(shop) == 1


def test_all_are_sent_again_however_many(shop: Umbel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("umbel.app.dead.BATCH", 2)
    bury(shop, *[FAILED] * 5)
    assert asyncio.run(shop.dead.aretry(all=True)) == 5
    assert (waiting(shop), list(shop.dead)) == (5, [])


def test_what_is_not_said_clearly_is_refused(shop: Umbel) -> None:
    (id,) = bury(shop, FAILED)
    with pytest.raises(KeyError, match="no dead letter 'nobody'"):
        shop.dead.retry([id, "nobody"])
    for mixed in ({}, {"ids": id, "all": True}, {"ids": id, "task": "pay"}, {"all": True, "task": "pay"}):
        with pytest.raises(ValueError, match="name the letters by their ids"):
            shop.dead.delete(**mixed)
    assert len(list(shop.dead)) == 1


def prune(app: Umbel) -> None:
    async def once() -> None:
        async with app.connections.keeper() as keeper:
            await keeper.prune()

    asyncio.run(once())


def test_letters_are_kept_as_long_and_as_many_as_the_settings_say(shop: Umbel) -> None:
    shop.conf.update(task_keep_failed=60, task_keep_failed_limit=2)
    ids = bury(shop, FAILED, FAILED, FAILED)
    prune(shop)
    assert [letter.task_id for letter in shop.dead] == [ids[2], ids[1]]
    shop.clock.time += 58.5  # type: ignore[attr-defined]
    assert [letter.task_id for letter in shop.dead] == [ids[2]], "the older one is over 60 s old"
    shop.clock.time += 60  # type: ignore[attr-defined]
    prune(shop)
    assert list(shop.dead) == []
    assert shop.sync_producer.survey(["celery"])[0].dead == 0


def test_arguments_that_must_not_be_decoded_are_not(shop: Umbel) -> None:
    bury(shop, FAILED)
    shop.conf.accept_content = ["yaml"]
    (letter,) = shop.dead
    assert isinstance(letter, Letter)
    with pytest.raises(Exception, match="application/json"):
        _ = letter.args
