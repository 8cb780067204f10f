"""The watch over the boards: hard time limits, processes that are stuck, and work that a blocked process holds up.

It looks, and kills; of the broker it asks what is revoked, and to take back what a process cannot give back itself.
"""

import logging
from collections.abc import Sequence
from typing import Literal

from umbel.broker.base import Admin
from umbel.core.errors import OperationalError
from umbel.core.revoking import Marks
from umbel.core.vitals import has_stalled
from umbel.runtime import children, system
from umbel.runtime.clock import Clock
from umbel.worker.board import Slot
from umbel.worker.plan import Plan
from umbel.worker.readahead import BUSY
from umbel.worker.seat import Killing, Seat

logger = logging.getLogger("umbel.worker")
REVOCATIONS = 0.25
"""Seconds between two looks at the set of revoked ids, while something runs."""
LOOK = 0.02
"""Seconds between two looks at the boards."""
GRACE = 1.0
"""Seconds beyond its hard limit that a task has where its process ends it. What then still runs blocks the process."""
LAST_MOMENT = 2.0
"""Seconds that user code has which handles the signal by which its task is ended."""
SETTLE_DOWN = 0.01
"""Seconds between raising the recall flag and reading the board: longer than any store takes to become visible."""


class Watch:
    """Looks at the boards of all seats."""

    def __init__(self, plan: Plan, clock: Clock, keeper: Admin) -> None:
        self._plan = plan
        self._clock = clock
        self._keeper = keeper
        self._marks = Marks()
        self._told: frozenset[str] = frozenset()
        self._revocations_at = 0.0

    async def run(self, seats: Sequence[Seat]) -> None:
        """Look, until cancelled."""
        while True:
            now = self._clock.monotonic()
            if now > self._revocations_at and any(any(seat.running()) for seat in seats if seat.is_alive()):
                self._revocations_at = now + REVOCATIONS
                await self._read_revocations(seats)
            for seat in seats:
                if seat.is_alive() and seat.ready and seat.killing is None:
                    await self._look(seat, now)
            await self._clock.sleep(LOOK)

    async def _look(self, seat: Seat, now: float) -> None:
        silent = now - seat.board.last_beat()
        running = list(seat.running())
        for slot in running:
            mark = self._marks.of(slot.id)
            if mark is not None and mark.terminate is not None and self._still(seat, slot):
                if self._is_told_to_end(seat, slot, now, mark.terminate):
                    continue
                self.kill(seat, "revoked", slot)
                return
            grace = GRACE if self._plan.is_wide else 0.0
            if slot.hard and now - slot.since > slot.hard + grace and self._still(seat, slot):
                self.kill(seat, "hard", slot)
                return
            longest = self._plan.stuck_timeout
            if longest is not None and silent > longest and now - slot.since > longest:
                self.kill(seat, "stuck")
                return
        if silent > self._plan.lease and self._is_stuck(seat, silent, running):
            self.kill(seat, "stuck")
        elif silent > BUSY and seat.board.held()[1] and any(now - slot.since > BUSY for slot in running):
            await self._recall(seat)

    def _is_told_to_end(self, seat: Seat, slot: Slot, now: float, name: str) -> bool:
        """A process of many tasks ends the revoked one alone, one of one task gets the signal. False: no use (more)."""
        number = children.signal_number(name)
        if seat.child is None or (number == system.KILL and not self._plan.is_wide):
            return False
        patience = GRACE if self._plan.is_wide else LAST_MOMENT
        asked = seat.asked.get((slot.generation, slot.serial))
        if asked is None:
            seat.asked = {key: at for key, at in seat.asked.items() if now - at < 2 * patience}
            seat.asked[slot.generation, slot.serial] = now
            seat.child.end(slot.generation, slot.serial, number)
        return asked is None or now - asked < patience

    async def _read_revocations(self, seats: Sequence[Seat]) -> None:
        try:
            _, found = await self._keeper.revoked()
        except OperationalError as error:
            logger.warning("%s", error)
            return
        self._marks = Marks(found)
        of_many = self._marks.of_many(terminating=True)
        if of_many - self._told:  # boards show ids alone: whether one is about what runs, its process must say
            for seat in seats:
                if seat.is_alive() and seat.ready and seat.child is not None:
                    seat.child.heed_marks()
        self._told = of_many

    def _is_stuck(self, seat: Seat, silent: float, running: list[Slot]) -> bool:
        """No sign of life for a lease, and no task to account for it; or stopped from outside."""
        assert seat.child is not None
        halted = children.is_stopped(seat.child.pid)
        if not has_stalled(silent, self._plan.lease, runs=bool(running), halted=halted):
            return False
        how = "has been stopped for longer than its lease" if halted else "shows no sign of life and runs nothing"
        logger.error("Process %d %s: it is ended", seat.child.pid, how)
        return True

    def _still(self, seat: Seat, slot: Slot) -> bool:
        """Look again: the task may have ended between the look and the kill."""
        now = next((other for other in seat.running() if other.serial == slot.serial), None)
        return now is not None and now.since == slot.since

    async def _recall(self, seat: Seat) -> None:
        """Take back what the process holds besides what runs. The flag keeps its lane from starting any of it."""
        if seat.recalling and seat.board.recalled():
            return
        seat.recalling = True
        consumer = seat.consumer
        last, _ = seat.board.held()
        seat.board.recall(on=True)
        await self._clock.sleep(SETTLE_DOWN)
        if not seat.is_alive() or seat.consumer != consumer:
            return  # its death settles all of it
        slots = seat.board.slots()
        if any(slot.torn for slot in slots):
            seat.recalling = False
            return
        highest = max(slot.highest for slot in slots)
        try:
            # What started before and has ended is not settled yet, and must not run again: only what is above goes.
            count = await self._keeper.recall(consumer, above=highest, last=last, keep=seat.running_tickets())
        except OperationalError as error:
            logger.warning("%s", error)
            seat.recalling = False
            return
        if count:
            logger.info("Took back %d messages that wait behind a task which lets nothing else run", count)

    @staticmethod
    def kill(seat: Seat, why: Literal["hard", "stuck", "shutdown", "revoked"], slot: Slot | None = None) -> None:
        """End the process; its seat then settles what it held."""
        if seat.child is not None:
            seat.killing = seat.killing or Killing(why, slot)
            seat.child.kill()
