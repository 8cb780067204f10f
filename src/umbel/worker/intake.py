"""What becomes of what was claimed, before the lane sees it: into the hand, parked, or back. Never runs user code.

The part of the I/O thread that decides; it holds the set of all tickets that are this process's.
"""

import logging
from collections import deque

from msgspec import UNSET

from umbel.app.application import Umbel
from umbel.app.traits import Traits
from umbel.broker.base import Limits
from umbel.core import delivery as port
from umbel.core import states
from umbel.core.delivery import Ack, Begin, Delivery, Park, Release, Settlement, Ticket
from umbel.core.errors import BackendError, OperationalError
from umbel.core.message import Message
from umbel.core.options import parse_rate, timestamp
from umbel.result.base import Store
from umbel.wire.envelope import upgrade
from umbel.worker.hand import LOST, Finished, Hand, Held
from umbel.worker.plan import accepted
from umbel.worker.readahead import BUSY, MOST, ReadAhead

logger = logging.getLogger("umbel.worker")
SLOT_GRACE = 0.05
"""Seconds (or one interval, if that is longer) after which a start time that was not used is asked for again."""
ASK_AGAIN = 1.0
"""Seconds until a start time is asked for again after the broker could not tell."""
AGAIN = 1.0
"""Seconds until what a message names is looked for again, if the results could not be reached."""
SOON = 0.001
"""Seconds ahead that count as now, for an ETA or a slot."""
WIDER = 4
"""How many times more to claim after a claim of which most was set aside."""


class Intake:
    """Sorts deliveries. ``tickets`` holds every claim that is not settled yet."""

    def __init__(self, app: Umbel, hand: Hand, ahead: ReadAhead, limits: Limits, *, node: str) -> None:
        self.app = app
        self.hand = hand
        self.ahead = ahead
        self.tickets: dict[Ticket, Held] = {}
        self.out: deque[Finished] = deque()
        """Settlements of what the lane will not see."""
        self.closed = False
        self.last_serial = 0
        self._limits = limits
        self._clock = app.clock
        self._accept = accepted(app)
        self._traits: dict[str, Traits | None] = {}
        self._staged: deque[Held] = deque()
        self._beginning: list[Held] = []
        self._allowed = MOST  # how much of the next claim may be kept, and how many
        self._sieve = 1  # times as much is claimed, because of the last ones most was set aside
        self._rate_prefix = "" if app.conf.worker_rate_limit_scope == "cluster" else f"{node}:"
        self._rates: dict[str, float | None] = {}
        self._unlimited = app.conf.worker_disable_rate_limits
        self._store = app.store if app.conf.worker_deduplicate_successful_tasks else None

    def traits(self, name: str) -> Traits | None:
        """The task of this name, looked up once; None if there is none here."""
        try:
            return self._traits[name]
        except KeyError:
            task = self.app.tasks.get(name)
            traits = Traits(task) if task is not None else None
            self._traits[name] = traits
            self._rates[name] = None if task is None or self._unlimited else _interval(task.rate_limit)
            return traits

    @property
    def unstarted(self) -> int:
        """How many messages wait in this process."""
        return len(self.hand.unstarted) + len(self._staged) + len(self._beginning)

    def room(self) -> int:
        """How many to claim now."""
        if self.closed:
            return 0
        held = self._last()
        if held is not None and held.alone:
            return 0
        if self.hand.lone is not None:
            return 0
        if self.ahead.width == 1 and any(self._may_starve(held) for held in self.hand.running()):
            return 0
        busy = self.hand.busy_for(self._clock.monotonic())
        self._allowed = self.ahead.room(self.unstarted, self.hand.free(), busy)
        return min(self._allowed * self._sieve, MOST)

    def _may_starve(self, held: Held) -> bool:
        return held.traits is not None and self.ahead.may_starve(held.traits.name)

    def busy(self) -> bool:
        """Whether every place has run one task for so long that what waits behind them must go back."""
        return self.unstarted > 0 and self.hand.busy_for(self._clock.monotonic()) > BUSY

    async def sort(self, deliveries: list[Delivery]) -> None:
        """Sort what a claim brought."""
        ready: list[Held] = []
        limited: dict[str, list[Held]] = {}
        now = self._clock.now()
        alone, wanted, named = False, 0, False
        for delivery in deliveries:
            held = self._looked_at(delivery)
            self.tickets[held.ticket] = held
            self.last_serial = held.ticket.serial
            message = delivery.message
            if alone or self.closed:
                self._back(held)
                continue
            if message is not None and held.traits is not None:
                named = named or message.headers.umbel_rest is not UNSET
                if message.headers.eta is not None and (due := _due(message.headers.eta)) > now + SOON:
                    self._settle(held, Park(due))
                    continue
                interval = self._rates[held.traits.name]
                if interval is not None and not self._granted(delivery, interval, now):
                    limited.setdefault(held.traits.name, []).append(held)
                    continue
            wanted += 1
            if wanted > self._allowed:
                self._back(held)
                continue
            alone = held.alone
            ready.append(held)
        for name, waiting in limited.items():
            try:
                ready += await self._slots(name, waiting)
            except OperationalError as error:
                logger.warning("No start times for %s, asking again in %g s: %s", name, ASK_AGAIN, error)
                for held in waiting:
                    self._settle(held, Park(now + ASK_AGAIN))
        self._sift(len(deliveries), max(wanted, len(ready)))
        if self._store is not None or named:
            ready = await self._not_done(self._store, ready) if self._store is not None else ready
            ready = await self._with_rests(ready) if named else ready
            ready = [held for held in ready if held.ticket in self.tickets]  # leases may lapse while a store is silent
        self._deal(ready)

    async def _with_rests(self, ready: list[Held]) -> list[Held]:
        """With the blocks of chains' rests that they name: the lane reads nothing. Those wait whose cannot be read."""
        named = {held: block for held in ready if (block := _block(held)) is not None}
        try:
            store, blocks = self.app.store, list(set(named.values()))
            found = await store.read(blocks, sure=True) if store is not None and blocks else {}
        except BackendError as error:
            logger.warning("The rests of %d chains cannot be read, trying again in %g s: %s", len(named), AGAIN, error)
            for held in named:
                self._settle(held, Park(self._clock.now() + AGAIN))
            return [held for held in ready if held not in named]
        for held, block in named.items():
            record = found.get(block)
            held.rest = record.result if record is not None and isinstance(record.result, list) else LOST
        return ready

    async def _not_done(self, store: Store, ready: list[Held]) -> list[Held]:
        """Without what was delivered again though its task succeeded: that is forgotten, and not run twice."""
        ids = [h.delivery.message.headers.id for h in ready if h.delivery.message is not None and _is_repeat(h)]
        try:
            records = await store.read(ids, sure=True) if ids else {}
        except BackendError as error:
            logger.warning("Whether %d messages have succeeded before cannot be told: %s", len(ids), error)
            return ready
        done = {id for id, record in records.items() if record.status == states.SUCCESS}
        left: list[Held] = []
        for held in ready:
            message = held.delivery.message
            if message is None or message.headers.id not in done:
                left.append(held)
                continue
            logger.info(
                "Task %s[%s] has succeeded before and is not run again", message.headers.task, message.headers.id
            )
            self._settle(held, Ack())
        return left

    def _sift(self, claimed: int, wanted: int) -> None:
        """A million that are not due for hours may lie in front of those that are: they must pass quickly."""
        self._sieve = min(self._sieve * WIDER, MOST) if wanted * WIDER < claimed else 1

    def begun(self, held: Held, settled: bool) -> None:
        """The broker has answered ``Begin``: the message may run now, once; or it is no longer ours."""
        self._beginning.remove(held)
        if settled and not self.closed:
            self.hand.put([held])
        elif settled:
            self._back(held)

    def stage(self) -> None:
        """Mark the next acknowledge-early messages as begun: one ahead of the lane, or one for each free place."""
        if not self._staged:
            return
        most = max(1, self.hand.free())
        while self._staged and len(self._beginning) + len(self.hand.unstarted) < most:
            held = self._staged.popleft()
            self._beginning.append(held)
            self.out.append(Finished(held, Settlement(held.ticket, Begin()), last=False))

    def hand_back(self) -> int:
        """Give back to the front of its queue all that has not started, and say how many."""
        count = 0
        while (held := self.hand.take_back()) is not None:
            self._back(held)
            count += 1
        while self._staged:
            self._back(self._staged.pop())
            count += 1
        return count

    def only_runs(self) -> bool:
        """Whether nothing is held but what the board shows as running."""
        running = self.hand.running()
        return all(held in running for held in self.tickets.values())

    def keep_only(self, kept: frozenset[Ticket]) -> None:
        """Forget the tickets that are no longer ours, and what of them has not started."""
        self.tickets = {ticket: held for ticket, held in self.tickets.items() if ticket in kept}
        mine: list[Held] = []
        while (held := self.hand.take_back()) is not None:
            if held.ticket in kept:
                mine.append(held)
        self._staged = deque(held for held in self._staged if held.ticket in kept)
        self.hand.put(mine[::-1])

    # ------------------------------------------------------------------------------------------------------------------

    def _looked_at(self, delivery: Delivery) -> Held:
        """A message that breaks what looks at it is buried: it would break the next process too, and all after it."""
        try:
            return self._held(delivery)
        except Exception as error:
            logger.exception("A message in queue %r cannot be understood", delivery.queue)
            body = delivery.message.body if delivery.message else b""
            delivery.undecodable = port.Garbage(f"{type(error).__name__}: {error}", body)
            delivery.message = None
            return Held(delivery, None, False)

    def _held(self, delivery: Delivery) -> Held:
        message = delivery.message
        if message is not None and not message.headers.task:
            message = self._upgrade(delivery, message)
        traits = self.traits(message.headers.task) if message is not None else None
        alone = delivery.losses > 0 or (traits is not None and self.ahead.starves(traits.name))
        return Held(delivery, traits, alone)

    def _upgrade(self, delivery: Delivery, message: Message) -> Message | None:
        """Protocol 1 keeps everything in its body. Only content that is accepted is looked into."""
        try:
            delivery.message = upgrade(message, self._accept)
        except Exception as error:  # noqa: BLE001  the serializer may be the user's
            delivery.undecodable = port.Garbage(str(error), message.body)
            delivery.message = None
        return delivery.message

    def _granted(self, delivery: Delivery, interval: float, now: float) -> bool:
        granted = delivery.granted
        return granted is not None and now <= granted + max(interval, SLOT_GRACE)

    async def _slots(self, name: str, waiting: list[Held]) -> list[Held]:
        """Ask for start times; those that are not due yet wait in the broker until exactly then."""
        interval = self._rates[name] or 0.0
        starts = await self._limits.slots(self._rate_prefix + name, interval, len(waiting))
        now, ready = self._clock.now(), []
        for held, start in zip(waiting, starts, strict=True):
            if start <= now + SOON:
                ready.append(held)
            else:
                self._settle(held, Park(start, "rate"))
        return ready

    def _deal(self, ready: list[Held]) -> None:
        early = [held for held in ready if held.traits is not None and not held.traits.acks_late]
        if early:
            self._staged.extend(early)
            ready = [held for held in ready if held.traits is None or held.traits.acks_late]
        if ready:
            self.hand.put(ready)

    def _last(self) -> Held | None:
        try:
            return self.hand.unstarted[-1]
        except IndexError:
            staged = self._staged or self._beginning
            return staged[-1] if staged else None

    def _back(self, held: Held) -> None:
        self._settle(held, Release(front=True))

    def _settle(self, held: Held, disposition: Park | Release | Ack) -> None:
        self.out.append(Finished(held, Settlement(held.ticket, disposition)))


def _is_repeat(held: Held) -> bool:
    again = held.delivery.redelivered or held.delivery.losses > 0
    return again and held.traits is not None and held.traits.acks_late


def _block(held: Held) -> str | None:
    block = held.delivery.message.headers.umbel_rest if held.delivery.message is not None else UNSET
    return block if isinstance(block, str) else None


def _interval(rate: object) -> float | None:
    return parse_rate(rate)  # type: ignore[arg-type]


def _due(eta: str) -> float:
    """When a message may run, in wall seconds. What is no time is due at once."""
    try:
        return timestamp(eta)
    except (ValueError, OverflowError):
        logger.warning("An ETA is not ISO 8601 and is ignored: %r", eta)
        return 0.0
