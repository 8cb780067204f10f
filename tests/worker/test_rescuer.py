"""Whose dead a worker settles for, and when."""

import asyncio
from types import SimpleNamespace
from typing import Any

from umbel.core.delivery import ConsumerId, Member
from umbel.testing import FakeClock
from umbel.worker.rescuer import OTHERS_OWN, Rescuer


def member(id: str, *, alive: bool) -> Member:
    return Member(ConsumerId(id), "celery@b", 7, 1, ("celery",), 1, alive)


def test_a_process_that_has_just_died_is_its_own_workers_to_settle_for() -> None:
    """Where locks tell of a death at once, its own supervisor may be about to: it knows whether it was told to stop."""
    known = [member("living", alive=True), member("dead", alive=False)]

    async def members() -> list[Member]:
        return known

    rescuer: Any = Rescuer.__new__(Rescuer)
    rescuer._clock, rescuer._dead = FakeClock(), {}
    rescuer._keeper = SimpleNamespace(members=members)

    def left_alone() -> Any:
        return asyncio.run(rescuer._left_alone())

    assert left_alone() == []
    rescuer._clock.advance(OTHERS_OWN + 0.1)
    known.append(member("later", alive=False))
    assert left_alone() == ["dead"]
    del known[1]
    rescuer._clock.advance(OTHERS_OWN + 0.1)
    assert left_alone() == ["later"]
