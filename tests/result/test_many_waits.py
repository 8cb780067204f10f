"""A thousand coroutines that wait for results beside each other, on a file and in memory."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from umbel.core.record import Record
from umbel.drivers.memory import Space
from umbel.result.base import Store
from umbel.result.lookup import open_store
from umbel.runtime.clock import SYSTEM

IDS = [str(number) for number in range(1000)]
PATIENCE = 20.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'results.db'}", expires=None)
    yield store
    store.sync.close()


def open_files(folder: Path) -> int:
    """How many files of a folder this process has open."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            found += link.readlink().is_relative_to(folder)
        except OSError:
            pass
    return found


async def awaited(store: Store, task_id: str) -> object:
    while not (found := await store.read([task_id])):
        await store.wait([task_id], PATIENCE)
    return found[task_id].result


async def write(store: Store, *ids: str) -> None:
    await asyncio.to_thread(store.sync.write, [Record("SUCCESS", id, task_id=id) for id in ids])


def test_they_share_one_look_at_the_file(store: Store, tmp_path: Path) -> None:
    async def body() -> None:
        async with asyncio.timeout(PATIENCE):
            waiting = [asyncio.create_task(awaited(store, id)) for id in IDS]
            await asyncio.sleep(0)
            assert open_files(tmp_path) < 20
            await write(store, IDS[0])
            assert await waiting[0] == IDS[0], "the one that looked is the first to end"
            waiting[1].cancel()
            await write(store, *IDS[2:])
            assert await asyncio.gather(*waiting[2:]) == IDS[2:]

    asyncio.run(body())
    asyncio.run(store.close())
    assert open_files(tmp_path) == 0


def test_a_wait_ends_in_its_time_whoever_looks(store: Store) -> None:
    async def body() -> None:
        looks = asyncio.create_task(store.wait(["long"], PATIENCE))
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE / 2):
            await store.wait(["short"], 0.01)
        assert not looks.done()
        looks.cancel()

    asyncio.run(body())


def test_many_changes_are_told_a_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    space, asked = Space(), []

    def ready() -> float | None:
        asked.append(len(told))
        return None if told else PATIENCE

    async def body() -> None:
        waits = asyncio.create_task(space.wait(ready, SYSTEM))
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        tell = loop.call_soon_threadsafe

        def counted(call: Callable[[], object]) -> None:
            told.append(call)
            tell(call)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        for _ in range(1000):
            space.changed()
        await waits

    told: list[object] = []
    asyncio.run(body())
    assert len(told) == 1
    assert asked == [0, 1]
