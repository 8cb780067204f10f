"""``app.bulk()``: everything in one publish at the end, or nothing."""

import asyncio
import threading
from typing import Any

import pytest

from tests.app.conftest import Outbox
from umbel import Umbel


@pytest.fixture
def job(app: Umbel) -> Any:
    @app.task(name="tasks.job")
    def job(n: int = 0) -> int:
        return n

    return job


def test_all_calls_go_out_in_one_publish_at_the_end(app: Umbel, job: Any, outbox: Outbox) -> None:
    with app.bulk() as block:
        results = [job.delay(n) for n in range(3)]
        assert outbox.messages == []
        assert len(block) == 3
    assert outbox.batches == [3]
    assert [m.message.headers.id for m in outbox.messages] == [r.id for r in results]


def test_an_exception_sends_none(app: Umbel, job: Any, outbox: Outbox) -> None:
    with pytest.raises(ZeroDivisionError), app.bulk():
        job.delay(job.delay(1) and 1 / 0)
    assert outbox.messages == []
    job.delay(2)
    assert len(outbox.messages) == 1


def test_an_empty_block_sends_nothing(app: Umbel, outbox: Outbox) -> None:
    with app.bulk():
        pass
    assert outbox.batches == []


def test_get_inside_raises(app: Umbel, job: Any) -> None:
    with app.bulk():
        result = job.delay()
        with pytest.raises(RuntimeError, match=r"get\(\) inside bulk\(\)"):
            result.get()


def test_an_inner_block_joins_the_outer_one(app: Umbel, job: Any, outbox: Outbox) -> None:
    with app.bulk():
        job.delay(1)
        with app.bulk():
            job.delay(2)
        with pytest.raises(ZeroDivisionError), app.bulk():
            job.delay(job.delay(3) and 1 / 0)
        job.delay(4)
        assert outbox.batches == []
    assert [outbox.arguments(place)[0] for place in range(3)] == [[1], [2], [4]]
    assert outbox.batches == [3]


def test_blocks_of_two_apps_do_not_meet(app: Umbel, job: Any, outbox: Outbox, db_url: str) -> None:
    other = Umbel("other", broker=db_url)
    other.outlet = elsewhere = Outbox()
    with app.bulk():
        with other.bulk():
            job.delay(1)
            other.send_task("x")
        assert elsewhere.batches == [1]
        assert outbox.batches == []
    assert outbox.batches == [1]


def test_a_block_may_be_used_again_but_not_twice_at_once(app: Umbel, job: Any, outbox: Outbox) -> None:
    block = app.bulk()
    for _ in range(2):
        with block:
            job.delay()
    assert outbox.batches == [1, 1]
    with block, pytest.raises(RuntimeError, match="open already"), block:
        pass


def test_other_threads_are_not_in_the_block(app: Umbel, job: Any, outbox: Outbox) -> None:
    with app.bulk():
        thread = threading.Thread(target=job.delay)
        thread.start()
        thread.join()
        assert outbox.batches == [1]


def test_for_coroutines(app: Umbel, job: Any, outbox: Outbox) -> None:
    async def main() -> None:
        async with app.bulk():
            await job.adelay(1)
            job.delay(2)
            await asyncio.gather(job.adelay(3), job.adelay(4))
            assert outbox.batches == []

    asyncio.run(main())
    assert outbox.batches == [4]


def test_a_coroutine_that_outlives_the_block_publishes_itself(app: Umbel, job: Any, outbox: Outbox) -> None:
    async def main() -> None:
        ended = asyncio.Event()

        async def later() -> None:
            await ended.wait()
            await job.adelay(2)

        async with app.bulk():
            await job.adelay(1)
            task = asyncio.create_task(later())
        ended.set()
        await task

    asyncio.run(main())
    assert outbox.batches == [1, 1]
