"""Marks for many tasks at once: what carries a stamp is dropped where it waits, and ended where it runs."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.fleet import Farm, until
from umbel import AsyncResult, Umbel, states
from umbel.core.delivery import Revocation
from umbel.core.errors import OperationalError
from umbel.testing.wrapping import wrap_parts
from umbel.worker.io_thread import IoThread


def ended(result: "AsyncResult[object]") -> str:
    until(result.ready, what=f"the end of {result.id}")
    return result.state


@pytest.mark.parametrize("lane", [("-c", "1"), ("--pool", "threads", "-c", "1")], ids=["prefork", "threads"])
def test_what_carries_a_stamp_is_dropped_or_ended_and_nothing_else(
    farm_with: Callable[..., Farm], lane: tuple[str, ...]
) -> None:
    farm = farm_with()
    farm.worker(*lane)
    stamps = {"stamped_headers": ["order"], "order": ["A-6", "A-7"]}
    running = farm.send("hold", "runs", str(farm.gate()), **stamps)
    farm.started("runs")
    waiting = [farm.send("quick", n, **stamps) for n in range(3)]
    other = farm.send("quick", "other", stamped_headers=["order"], order="A-8")
    farm._app.control.revoke_by_stamped_headers({"order": "A-7"}, terminate=True, signal="SIGKILL")
    assert ended(running) == states.REVOKED
    assert [ended(one) for one in waiting] == [states.REVOKED] * 3
    assert other.get(timeout=20) == "other"
    late = farm.send("quick", "late", **stamps)
    assert ended(late) == states.REVOKED
    assert [line.words[1] for line in farm.lines("start")] == ["runs", "other"]


def test_a_mark_that_could_not_be_read_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker refuses at the moment when a supervisor has its process look what runs there."""
    refusals, threads, start = list[bool](), list[IoThread](), IoThread.start

    def refuse(keeper: Any) -> None:
        revoked = keeper.revoked

        async def read() -> Any:
            if refusals and refusals.pop():
                raise OperationalError("not now")
            return await revoked()

        keeper.revoked = read

    def started(thread: IoThread) -> None:
        threads.append(thread)
        start(thread)

    async def marked() -> dict[str, Revocation]:
        async with app.connections.keeper() as keeper:
            return (await keeper.revoked())[1]

    monkeypatch.setattr(IoThread, "start", started)
    with Umbel("marks", broker="memory://marks", backend="memory://marks", set_as_current=False) as app:
        wrap_parts(app.broker, lambda consumer, queues: None, refuse)
        running, gate = threading.Event(), threading.Event()

        @app.task(name="hold")
        def hold() -> bool:
            running.set()
            return gate.wait(20)

        with app.Worker(pool="threads", concurrency=1):
            result = hold.apply_async(stamped_headers=["order"], order="A-6")
            assert running.wait(20)
            app.control.revoke_by_stamped_headers({"order": "A-6"}, terminate=True)
            until(lambda: asyncio.run(marked()), what="the mark for many")
            refusals.append(True)
            threads[0].heed_marks()
            try:
                until(lambda: not refusals, what="the refusal")
                until(lambda: result.id in asyncio.run(marked()), what="the mark for what runs")
            finally:
                gate.set()
