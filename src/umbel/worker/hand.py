"""What a process has in hand: the two queues between its I/O thread and its lane. Nothing here waits for I/O.

The I/O thread puts deliveries in at the right and may take unstarted ones back from there; the lane takes from the
left. Outcomes go the other way. Both sides only append to and pop from deques, which needs no lock.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from umbel.app.traits import Traits
from umbel.core.delivery import GONE, Delivery, Settlement, Ticket, Verdict
from umbel.core.record import Record
from umbel.runtime.clock import Clock
from umbel.runtime.unpatched import allocate_lock
from umbel.worker.board import Board
from umbel.worker.joining import Share

FLUSH = 0.002
"""Seconds that an outcome may wait in the lane before the I/O thread is woken for it."""
GATHER = 0.005
"""The same where the I/O thread lets outcomes gather."""


REST, REST_AGAIN = 2.0, 0.1
"""Seconds that the lane waits at most for the I/O thread to come to rest, and where it did not the last time."""


LOST: list[dict[str, Any]] = []
"""A block that is no longer there."""


class Held:
    """A claimed message in this process. ``traits`` is None where no task of its name is known here.

    ``rest`` is the block of its chain's rest that it names, None if it names none, and ``LOST`` if there is none.
    """

    __slots__ = ("alone", "delivery", "rest", "ticket", "traits")

    def __init__(self, delivery: Delivery, traits: Traits | None, alone: bool) -> None:
        self.delivery = delivery
        self.ticket: Ticket = delivery.ticket
        self.traits = traits
        self.alone = alone
        self.rest: list[dict[str, Any]] | None = None


class Finished:
    """Something to settle. ``record`` is set where the store is on another server and must be written first.

    ``answer`` is called on the I/O thread with the verdict; ``last`` says that the ticket ends with it; ``refused``
    that it stands in for one which the broker refused; ``sent`` that it may have been done, but the answer was cut off.
    ``share`` is what it does for others, where it does anything (``worker.joining``).
    """

    __slots__ = ("answer", "held", "last", "record", "refused", "sent", "settlement", "share")

    def __init__(
        self,
        held: Held,
        settlement: Settlement,
        record: Record | None = None,
        *,
        last: bool = True,
        answer: Callable[[Verdict], None] | None = None,
    ) -> None:
        self.held = held
        self.settlement = settlement
        self.record = record
        self.last = last
        self.refused = False
        self.sent = False
        self.answer = answer
        self.share: Share | None = None


class Place:
    """Room for one task that runs. ``since``: monotonic seconds when it started, 0 while nothing runs here."""

    __slots__ = ("held", "index", "since")

    def __init__(self, index: int) -> None:
        self.index = index
        self.held: Held | None = None
        self.since = 0.0


class Rest:
    """A state that one thread is in or not, and one other waits for. Of the system's own locks, whatever the lane."""

    def __init__(self) -> None:
        self._on = False
        self._gate = allocate_lock()
        self._gate.acquire()

    def set(self) -> None:
        """It rests."""
        self._on = True
        try:
            self._gate.release()
        except RuntimeError:
            pass  # nobody has waited since the last time

    def clear(self) -> None:
        """It no longer rests."""
        self._on = False

    def wait(self, seconds: float) -> bool:
        """Until it rests; at most so long. Whether it does."""
        if not self._on:
            self._gate.acquire(blocking=False)  # what is left of an earlier rest
            if not self._on:
                return bool(self._gate.acquire(timeout=seconds))
        return True


class Hand:
    """The two queues, and what each side must know of the other."""

    def __init__(self, clock: Clock, board: Board) -> None:
        self.clock = clock
        self.board = board
        self.unstarted: deque[Held] = deque()
        self.finished: deque[Finished] = deque()
        self.lease_end = float("inf")
        """Monotonic seconds until which this process may start what it holds. Set by the I/O thread."""
        self.places = tuple(Place(index) for index in range(board.width))
        self.retired = False
        """Nothing more is to start here: the process ends after what runs."""
        self.lone: Held | None = None
        """What runs, and beside which nothing else may."""
        self.io_idle = False
        self.wake_io: Callable[[], None] = lambda: None
        self.wake_lane: Callable[[], None] = self._release
        """How a lane that rests is woken, from any thread. One that waits in ``take`` need not set it."""
        self._resting = Rest()
        self._rested = True
        self._flushed = 0.0
        self._patience = FLUSH
        self._closed = False
        self._lane_idle = False
        self._gate = allocate_lock()
        self._gate.acquire()

    # The I/O thread's side --------------------------------------------------------------------------------------------

    def put(self, held: list[Held]) -> None:
        """Give deliveries to the lane."""
        self.unstarted.extend(held)
        self.open_gate()

    def take_back(self) -> Held | None:
        """The newest unstarted one, or None."""
        try:
            return self.unstarted.pop()
        except IndexError:
            return None

    def free(self) -> int:
        """How many places run nothing."""
        return sum(not place.since for place in self.places)

    def running(self) -> list[Held]:
        """What the places run."""
        return [place.held for place in self.places if place.since and place.held is not None]

    def busy_for(self, now: float) -> float:
        """Seconds since the last start, if every place runs something; else 0."""
        latest = 0.0
        for place in self.places:
            if not place.since:
                return 0.0
            latest = max(latest, place.since)
        return now - latest

    def close(self) -> None:
        """The I/O thread has ended: the lane ends too, and whoever waits for an answer gets ``Gone``."""
        self._closed = True
        self.wake_io = lambda: None
        for one in list(self.finished):
            if one.answer is not None:
                one.answer(GONE)
        self._resting.set()
        self._lane_idle = True
        self.open_gate()

    def io_rests(self, rests: bool) -> bool:
        """The I/O thread says that it sleeps, or no longer does. True: it may go on sleeping, nothing has come."""
        self.io_idle = rests
        self._patience = FLUSH
        if not rests:
            self._resting.clear()
        elif self.finished:
            self.io_idle = False
        else:
            self._resting.set()
        return self.io_idle

    def io_gathers(self) -> bool:
        """The I/O thread would sleep though outcomes wait. True: it may, nobody waits for one and the lane goes on."""
        self.io_idle = True  # first: who comes after the look below wakes it
        self._patience = GATHER
        if self.unstarted and not any(one.answer is not None or not one.last for one in tuple(self.finished)):
            return True
        self.io_idle = False
        return False

    def open_gate(self) -> None:
        """Wake the lane if it waits."""
        if self._lane_idle:
            self._lane_idle = False
            self.wake_lane()

    def _release(self) -> None:
        try:
            self._gate.release()
        except RuntimeError:
            pass  # the lane found something meanwhile and did not wait

    # The lane's side --------------------------------------------------------------------------------------------------

    def take(self) -> Held | None:
        """The next one to start, waiting for it; None when the process ends."""
        while not self._closed:
            if not (self.retired or self.board.recalled()):
                try:
                    return self.unstarted.popleft()
                except IndexError:
                    pass
            self.flush()
            self._lane_idle = True
            if not self._closed and (self.retired or self.board.recalled() or not self.unstarted):
                self._gate.acquire()
        return None

    def take_beside(self, running: Callable[[], int]) -> Held | None:
        """``take`` for several places: what must run alone waits until nothing else runs."""
        while not self._closed:
            if (held := self.try_take(running)) is not None:
                return held
            self.flush()
            self._lane_idle = True
            if (held := self.try_take(running)) is not None:
                self._lane_idle = False
                return held
            if not self._closed:
                self._gate.acquire()
        return None

    def try_take(self, running: Callable[[], int]) -> Held | None:
        """The next one that may start beside what runs, or None."""
        if self.retired or self.board.recalled():
            return None
        try:
            held = self.unstarted.popleft()
        except IndexError:
            return None
        if (held.alone or self.lone is not None) and running():
            self.unstarted.appendleft(held)
            return None
        return held

    def rest(self) -> bool:
        """The lane goes to sleep: from now on ``wake_lane`` is called when there is something new. False: it ends."""
        self.flush()
        self._lane_idle = True
        return not self._closed

    def finish(self, finished: Finished) -> None:
        """Hand over something to settle. The I/O thread is woken by a later ``flush``, or within ``FLUSH`` seconds."""
        self.finished.append(finished)

    def flush(self) -> None:
        """Wake the I/O thread if it sleeps."""
        if self.io_idle:
            self.io_idle = False
            self._resting.clear()
            self.wake_io()

    def flush_and_wait(self) -> None:
        """``flush``, and wait until the I/O thread sleeps: what starts now may keep it from running, or end it.

        In the middle of a transaction it would keep everybody out of the database as well; and what has ended and is
        not settled would run again. A broker that is away must not stop the lane, so there is a bound.
        """
        if self.finished:
            self.flush()
        self._rested = self._resting.wait(REST if self._rested else REST_AGAIN)

    def flush_if_late(self, now: float) -> None:
        """``flush``, if the last one is ``FLUSH`` or ``GATHER`` seconds ago."""
        if now - self._flushed > self._patience:
            self._flushed = now
            self.flush()
