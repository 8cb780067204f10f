"""Marks for many tasks at once: what carries a stamp is dropped where it waits, and ended where it runs."""

from collections.abc import Callable

import pytest

from tests.worker.fleet import Farm, until
from umbel import AsyncResult, states


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
