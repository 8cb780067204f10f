"""Suites for result stores: what is written is read, SUCCESS stays, records expire, and a wait ends when it should.

The site's ``store()`` keeps records for ``EXPIRES`` seconds.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from umbel.core.record import Record
from umbel.core.resting import KEPT, KEPT_AT_LEAST, READ
from umbel.core.states import ALL_STATES, PENDING, SUCCESS
from umbel.result.base import Store
from umbel.testing.conformance.site import Suite, asynchronous

EXPIRES = 600.0


def record(task_id: str, status: str = SUCCESS, result: object = 4) -> Record:
    """A record with most fields set."""
    return Record(
        status,
        result,
        traceback=None,
        children=[],
        date_done="2026-11-20T17:00:00+00:00",
        task_id=task_id,
        parent_id="p1",
        name="tasks.add",
        worker="celery@host",
        retries=2,
        queue="celery",
    )


class Stored(Suite):
    """What suites of stores share."""

    @property
    def store(self) -> Store:
        """One store per test, made when first asked for."""
        if not hasattr(self, "_store"):
            self._store = self.site.store()
        return self._store

    async def read(self, task_id: str) -> Record | None:
        return (await self.store.read([task_id])).get(task_id)


class StoreSuite(Stored):
    """All that a fake clock can drive."""

    @asynchronous
    async def test_what_is_written_is_read(self) -> None:
        await self.store.write([record("one", result={"a": [1, None, "é"]}), record("two", "FAILURE")])
        assert await self.store.read(["two", "one", "none"]) == {
            "one": record("one", result={"a": [1, None, "é"]}),
            "two": record("two", "FAILURE"),
        }
        assert await self.store.read([]) == {}

    @asynchronous
    async def test_the_blocking_side_is_the_same_store(self) -> None:
        self.store.sync.write([record("one")])
        assert self.store.sync.read(["one"]) == {"one": record("one")} == await self.store.read(["one"])
        self.store.sync.forget(["one", "none"])
        assert await self.store.read(["one"]) == {}
        self.store.sync.close()

    @asynchronous
    async def test_another_process_reads_it_too(self) -> None:
        await self.store.write([record("one")])
        assert set(await self.site.store().read(["one"])) == {"one"}

    @asynchronous
    async def test_a_result_encoded_before_is_stored_as_it_is(self) -> None:
        await self.store.write([record("one", result=msgspec.Raw(b'{"x":1}'))])
        found = await self.read("one")
        assert found is not None
        assert found.result == {"x": 1}

    @pytest.mark.parametrize("later", sorted(ALL_STATES - {PENDING} | {"CUSTOM"}))
    @asynchronous
    async def test_success_is_never_overwritten(self, later: str) -> None:
        await self.store.write([record("one")])
        await self.store.write([record("one", later, result="late")])
        self.store.sync.write([record("one", later, result="late")])
        assert await self.read("one") == record("one")

    @asynchronous
    async def test_any_other_state_is_overwritten(self) -> None:
        for status in ("STARTED", "CUSTOM", "RETRY", "FAILURE", "STARTED", "REVOKED", "SUCCESS"):
            await self.store.write([record("one", status)])
            assert await self.read("one") == record("one", status)

    @asynchronous
    async def test_of_two_in_one_batch_the_later_counts(self) -> None:
        await self.store.write([record("one", "STARTED"), record("one", "FAILURE")])
        assert await self.read("one") == record("one", "FAILURE")
        await self.store.write([record("two"), record("two", "FAILURE")])
        assert await self.read("two") == record("two")

    @asynchronous
    async def test_records_expire_from_their_last_write(self) -> None:
        await self.store.write([record("one", "STARTED"), record("two")])
        self.advance(EXPIRES - 1)
        await self.store.write([record("one", "FAILURE")])
        self.advance(2)
        assert set(await self.store.read(["one", "two"])) == {"one"}
        self.advance(EXPIRES)
        assert await self.store.read(["one", "two"]) == {}

    @asynchronous
    async def test_what_no_message_carries_yet_is_kept_longer_than_results(self) -> None:
        await self.store.write([record("one"), record("block", KEPT), record("read", KEPT)])
        self.advance(EXPIRES + 1)
        assert set(await self.store.read(["one", "block", "read"])) == {"block", "read"}
        await self.store.write([record("read", READ)])
        self.advance(EXPIRES + 1)
        assert set(await self.store.read(["block", "read"])) == {"block"}
        self.advance(KEPT_AT_LEAST)
        assert await self.store.read(["block"]) == {}

    @asynchronous
    async def test_pruning_deletes_what_has_expired_and_no_more_than_asked(self) -> None:
        await self.store.write([record(f"n{n}") for n in range(25)])
        self.advance(EXPIRES / 2)
        await self.store.write([record("young")])
        self.advance(EXPIRES / 2 + 1)
        assert [await self.store.prune(10) for _ in range(4)] == [10, 10, 5, 0]
        assert await self.read("young") == record("young")

    @asynchronous
    async def test_an_expired_success_is_overwritten(self) -> None:
        await self.store.write([record("one")])
        self.advance(EXPIRES + 1)
        await self.store.prune()
        await self.store.write([record("one", "FAILURE")])
        assert await self.read("one") == record("one", "FAILURE")

    @asynchronous
    async def test_what_is_forgotten_is_gone(self) -> None:
        await self.store.write([record("one"), record("two")])
        await self.store.forget(["one", "none"])
        await self.store.forget(["one"])
        assert set(await self.store.read(["one", "two"])) == {"two"}

    @asynchronous
    async def test_many_at_once(self) -> None:
        await self.store.write([record(f"n{n}") for n in range(1000)])
        assert len(await self.store.read([f"n{n}" for n in range(2000)])) == 1000

    def test_many_threads_write_and_read(self) -> None:
        def write(first: int) -> None:
            for n in range(first, first + 20):
                self.store.sync.write([record(f"n{n}")])
                assert set(self.store.sync.read([f"n{n}"])) == {f"n{n}"}

        threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 100, 20)]
        assert self.store.sync.read(["n0"]) == {}
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(self.store.sync.read([f"n{n}" for n in range(100)])) == 100


class StoreWaitSuite(Stored):
    """Waiting. On the machine's clock: each test waits for the event itself, at most ``PATIENCE``."""

    PATIENCE = 20.0

    async def wakes(self, ids: list[str], act: Callable[[], Awaitable[object]]) -> None:
        waiting = asyncio.create_task(self.store.wait(ids, self.PATIENCE * 10))
        await asyncio.sleep(0)
        await act()
        async with asyncio.timeout(self.PATIENCE):
            await waiting

    @asynchronous
    async def test_a_record_ends_the_wait(self) -> None:
        assert await self.store.read(["one", "two"]) == {}
        await self.wakes(["one", "two"], lambda: self.store.write([record("two")]))

    @asynchronous
    async def test_a_record_written_elsewhere_ends_the_wait(self) -> None:
        await self.store.read(["one"])
        await self.wakes(["one"], lambda: self.site.store().write([record("one")]))

    @asynchronous
    async def test_what_was_written_since_the_last_read_ends_the_wait_at_once(self) -> None:
        await self.store.read(["one"])
        await self.store.write([record("one", "STARTED")])
        async with asyncio.timeout(self.PATIENCE):
            await self.store.wait(["one"], self.PATIENCE * 10)

    @asynchronous
    async def test_a_change_of_state_ends_the_wait(self) -> None:
        await self.store.write([record("one", "STARTED")])
        await self.store.read(["one"])
        await self.wakes(["one"], lambda: self.store.write([record("one", "PROGRESS", {"done": 3})]))
        await self.store.read(["one"])
        await self.wakes(["one"], lambda: self.store.write([record("one", "PROGRESS", {"done": 4})]))

    @asynchronous
    async def test_what_was_seen_does_not_end_the_wait(self) -> None:
        await self.store.write([record("one", "STARTED")])
        await self.store.read(["one"])
        waiting = asyncio.create_task(self.store.wait(["one"], self.PATIENCE * 10))
        await self.store.write([record("other")])
        await self.store.wait(["one"], 0.02)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    def test_a_thread_is_woken_too(self) -> None:
        assert self.store.sync.read(["one"]) == {}
        waiting = threading.Thread(target=self.store.sync.wait, args=(["one"], self.PATIENCE * 10))
        waiting.start()
        self.store.sync.write([record("one")])
        waiting.join(self.PATIENCE)
        assert not waiting.is_alive()

    @asynchronous
    async def test_a_wait_ends_after_its_time(self) -> None:
        await self.store.wait(["one"], 0.01)
        self.store.sync.wait(["one"], 0.01)
