"""Leading a timetable: waits for its turn, and renews. One beat leads, the others stand by. Publishes nothing."""

import logging

from umbel.broker.base import Timetable
from umbel.core.errors import OperationalError
from umbel.runtime.clock import Clock

logger = logging.getLogger("umbel.beat")

LOOK = 1.0
"""Seconds after which a beat that stands by looks again, because the leader may have resigned."""
LONGEST_PAUSE = 4.0
"""Seconds between two attempts while the broker is away."""


class Leadership:
    """One beat's part in the election. ``epoch`` while it leads, else None."""

    def __init__(self, timetable: Timetable, book: str, beat: str, *, lease: float, clock: Clock) -> None:
        self.epoch: int | None = None
        self._timetable = timetable
        self._book = book
        self.beat = beat
        self._lease = lease
        self._clock = clock
        self._ends = 0.0
        self._said = False

    async def win(self) -> int:
        """Return once this beat leads, with the epoch. Waits as long as it takes, and says what it waits for."""
        pause = 0.25
        while True:
            try:
                left = await self._ask()
            except OperationalError as error:
                logger.warning("%s. Trying again in %.1f s", error, pause)
                await self._clock.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            if self.epoch is not None:
                self._said = False
                return self.epoch
            pause = 0.25
            if not self._said:
                self._said = True
                logger.info("Another beat leads; this one stands by")
            await self._clock.sleep(min(max(left, 0.01), LOOK))

    async def keep(self) -> None:
        """Renew until leadership is lost: then return."""
        while self.epoch is not None:
            await self._clock.sleep(self._lease / 3)
            try:
                await self._ask()
            except OperationalError as error:
                logger.warning("%s", error)
                if not self.holds():
                    self.epoch = None
        logger.warning("This beat leads no more")

    def holds(self) -> bool:
        """Whether the lease is still running, counted from the sending of the last good renewal."""
        return self.epoch is not None and self._clock.monotonic() < self._ends

    async def resign(self) -> None:
        """Let another beat lead at once."""
        self.epoch = None
        await self._timetable.resign(self._book, self.beat)

    async def _ask(self) -> float:
        """Lead or renew; returns for how long another one leads."""
        sent, before = self._clock.monotonic(), self.epoch
        lead = await self._timetable.lead(self._book, self.beat, lease=self._lease)
        self.epoch = lead.epoch if before in (None, lead.epoch) else None  # another one led meanwhile: begin anew
        if self.epoch is not None:
            self._ends = sent + self._lease
        return lead.left
