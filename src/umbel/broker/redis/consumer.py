"""One process's claims on Redis: a lease by the server's clock, scripts in a pipeline, a push to wake up."""

import asyncio
import os
from collections.abc import Iterable, Sequence
from typing import Any

from umbel.broker.redis.channel import Call, Channel
from umbel.broker.redis.elements import SIDE, delivered, remember, tag_of
from umbel.broker.redis.layout import Layout, group_of
from umbel.broker.redis.settling import Batch, Settler
from umbel.core.delivery import GONE, ConsumerId, Delivery, Settlement, Ticket, Turn, Verdict, Want
from umbel.drivers.redis import TRACKS_SCRIPTS, Connection, Place, explained, is_error, unreachable
from umbel.runtime.clock import Clock

MOST_MESSAGES = 256
MOST_BYTES = 1 << 20
"""What one claim takes at most; a single message may be larger."""
REFRESH = 3600.0
"""Seconds between two prolongations of what the register says of a consumer."""
_POLL = (0.005, 0.05)
"""Seconds between looks while idle, from the first to the longest, where the server pushes nothing."""
_GRACE = 0.001
"""Seconds before a consumer that holds something takes a place among the waiting: short tasks end before that."""
_TRACK = ("CLIENT", "TRACKING", "ON", "OPTIN", "NOLOOP")
_ticket = tuple.__new__  # half the price of Ticket(…)
_NEXT_READ_IS_TRACKED = ("CLIENT", "CACHING", "YES")


class RedisConsumer:
    """See ``broker.base.Consumer``."""

    def __init__(
        self,
        place: Place,
        layout: Layout,
        clock: Clock,
        id: ConsumerId,
        *,
        node: str,
        queues: Sequence[str],
        dead_expires: float,
    ) -> None:
        self.id = id
        self.channel = Channel(place, layout, clock)
        self.lease = 30.0
        self._layout = layout
        self._clock = clock
        self._place = place
        self._node = node
        self._chosen = tuple(queues)
        self._queues = self._chosen
        self._lists = layout.lists(self._queues)
        self._group = group_of(self._queues)
        self._names: dict[str, str] = {}
        self._settler = Settler(id, layout, place.db, dead_expires)
        self._link: Connection | None = None
        self._tracks = False
        self._generation = 0
        self._serial = 0
        self._revocations = 0
        self._waits = False
        """Whether this consumer has a place among those who wait."""
        self._armed_until = 0.0
        """Until when (monotonic) a push comes if there is anything new, and the place among the waiting is kept."""
        self._due_at = 0.0
        self._refresh_at = 0.0

    # The port ---------------------------------------------------------------------------------------------------------

    async def open(self, *, lease: float, width: int, holding: Iterable[Ticket] = ()) -> frozenset[Ticket]:
        """As the port says."""
        self.lease = lease
        self.channel.patience = max(0.25, lease / 2)
        self._waits, self._armed_until = False, 0.0
        connection = await self.channel.opened()
        if connection is not self._link:
            self._tracks = await self._track(connection)
        self._generation += 1
        in_hand = {f"{ticket.generation}:{ticket.serial}": ticket for ticket in holding if ticket.consumer == self.id}
        queues = "\0".join(self._chosen)
        known = (self.id, lease, width, self._node, os.getpid(), self._group, queues, self._generation)
        bindings = self._layout.bind({*self._chosen, *self._layout.declared})
        *_, answer = await self.channel.replies(*bindings, Call("open", *known, *in_hand))
        alone, kept = self.channel.answer(answer)
        self._link = connection
        self._refresh_at = self._clock.monotonic() + REFRESH
        tickets = frozenset(in_hand[field.decode()] for field in kept)
        self._settler.reopened({ticket.serial for ticket in tickets}, alone=bool(alone))
        return tickets

    async def exchange(self, settlements: Sequence[Settlement], want: Want) -> Turn:
        """As the port says: scripts in one pipeline, settling first, claiming last."""
        batches = self._settler.batches(settlements) if settlements else []
        if want.queues and want.queues != self._queues:
            self._want(want.queues)
        limit = min(want.limit, MOST_MESSAGES)
        self._armed_until = 0.0  # what a connection changes itself is not told to it, and no longer tracked
        first = self._serial + 1
        self._serial += limit
        calls = [Call("settle", *batch.args) for batch in batches]
        calls.append(self._claim(first, limit))
        self._settler.sent(settlements)
        *settled, claimed = await self.channel.on(self._opened(), calls, self.channel.patience)
        verdicts = self._verdicts(settlements, batches, settled)
        if is_error(claimed):
            error = explained(claimed, self._place)
            if settlements:
                return Turn(verdicts, [], revocations=self._revocations)  # what is wrong is said again next time
            raise error
        if claimed[0] or None in settled:  # also if somebody renewed for us between the two: say first what is in hand
            self._waits = False
            return Turn(verdicts, [], revocations=self._revocations, lost=True)
        _, self._revocations, due, found, bad = claimed
        deliveries = await self._deliveries(found, first) if found else []
        if deliveries or not limit:
            self._waits = False
        if bad and not deliveries and not settlements:
            raise explained(bad.decode(errors="replace"), self._place)
        return Turn(verdicts, deliveries, max(0.0, float(due)) if due else None, self._revocations)

    async def wait(self, timeout: float) -> None:
        """As the port says. The server tells of every change to what was read when nothing was found."""
        connection = self._opened()
        if not self._tracks:
            await self._poll(timeout)
            return
        if self._settler.held:
            await self._clock.sleep(_GRACE)
        now = self._clock.monotonic()
        if connection.pushed.is_set() or now + timeout > self._armed_until:
            connection.pushed.clear()
            due = await self._go_idle(connection, timeout)
            if due is None:
                return
            self._armed_until = now + max(timeout, self.lease / 2)
            self._due_at = self._clock.monotonic() + due
        try:
            async with asyncio.timeout(min(timeout, max(0.0, self._due_at - self._clock.monotonic()))):
                await connection.pushed.wait()
        except TimeoutError:
            if self._clock.monotonic() >= self._due_at:
                self._armed_until = 0.0
        if connection.closed is not None:
            raise unreachable(connection.closed, self._place)

    async def renew(self, holding: Iterable[Ticket]) -> frozenset[Ticket]:
        """As the port says. A lease that lapsed is renewed as long as nobody adopted."""
        in_hand = frozenset(holding)
        (fields,) = await self.channel.on(self._opened(), [Call("renew", self.id, self.lease)], self.channel.patience)
        recorded = self.channel.answer(fields)
        if recorded is None:
            return in_hand
        return frozenset(t for t in in_hand if t.consumer != self.id or _field(t) not in recorded)

    async def close(self) -> None:
        """As the port says. Who leaves last gives delayed messages back to where Celery finds them."""
        link, self._link = self._link, None
        if link is None:
            return
        try:
            left = await self.channel.run(Call("close", self.id))
            while not left and await self.channel.run(Call("leave", "", self._layout.bindings("celery.pidbox"))):
                pass
        finally:
            self.channel.close()
            self._settler.reopened(set(), alone=False)

    # For the keeper, which adopts under tickets of this consumer ------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether ``open`` has succeeded."""
        return self._link is not None

    def new_serials(self, count: int) -> tuple[int, int]:
        """The generation, and the first of ``count`` serials that are used up by this. Raises ``RuntimeError``."""
        if self._link is None:
            raise RuntimeError(f"consumer {self.id} is not open")
        first = self._serial + 1
        self._serial += count
        return self._generation, first

    async def take_over(self, taken: Sequence[tuple[int, bytes, bool]], generation: int) -> list[Delivery]:
        """Deliveries of (serial, list NUL element, begun), adopted under tickets of this consumer."""
        deliveries, marked = [], []
        for serial, value, begun in taken:
            key, _, element = value.partition(b"\0")
            ticket = Ticket(self.id, generation, serial)
            delivery, side = delivered(ticket, self._name(key.decode()), element)
            self._settler.held[serial] = delivery
            if begun:
                self._settler.begun.add(serial)
            if side:
                self._settler.side.add(serial)
                marked.append(delivery)
            deliveries.append(delivery)
        await self._remember(marked)
        return deliveries

    # Inside -----------------------------------------------------------------------------------------------------------

    def _opened(self) -> Connection:
        """The connection of ``open``: after a loss of it, what is in hand must be said again first."""
        link = self._link
        if link is None:
            raise unreachable(ConnectionError("this consumer is not open"), self._place)
        if link.closed is not None:
            raise unreachable(link.closed, self._place)
        return link

    async def _track(self, connection: Connection) -> bool:
        if connection.greeting.version < TRACKS_SCRIPTS:
            return False
        (reply,) = await connection.call([_TRACK], self.channel.patience)
        return not is_error(reply)

    def _want(self, queues: Sequence[str]) -> None:
        self._queues = tuple(queues)
        self._lists = self._layout.lists(self._layout.ordered(queues, self._chosen))
        self._group = group_of(queues)

    def _claim(self, first: int, limit: int) -> Call:
        refresh = ""
        if self._clock.monotonic() > self._refresh_at:
            self._refresh_at, refresh = self._clock.monotonic() + REFRESH, "1"
        waited = "1" if self._waits else ""
        head = (self.id, self.lease, limit, self._generation, first, MOST_BYTES, self._group, waited, refresh)
        return Call("claim", *head, *self._lists)

    def _verdicts(
        self, settlements: Sequence[Settlement], batches: Sequence[Batch], replies: Sequence[object]
    ) -> list[Verdict]:
        verdicts: list[Verdict] = [GONE] * len(settlements)
        self._settler.known(settlements, verdicts)
        for batch, reply in zip(batches, replies, strict=True):
            answers = self.channel.answer(reply)
            if answers is not None:
                self._settler.verdicts(batch, settlements, answers, lambda text: explained(text, self._place), verdicts)
        return verdicts

    async def _deliveries(self, found: Sequence[Any], serial: int) -> list[Delivery]:
        deliveries: list[Delivery] = []
        marked: list[Delivery] = []
        id, generation, held = self.id, self._generation, self._settler.held
        for index, elements in zip(found[::2], found[1::2], strict=True):
            queue = self._name(self._lists[index])
            for element in elements:
                delivery, side = delivered(_ticket(Ticket, (id, generation, serial)), queue, element)
                held[serial] = delivery
                if side:
                    self._settler.side.add(serial)
                    marked.append(delivery)
                deliveries.append(delivery)
                serial += 1
        if marked:
            await self._remember(marked)
        return deliveries

    async def _remember(self, marked: Sequence[Delivery]) -> None:
        if not marked:
            return
        own = self._layout.own
        reads = [("HMGET", f"{own}lost:{tag_of(delivery)}", *SIDE) for delivery in marked]
        for delivery, side in zip(
            marked, await self.channel.on(self._opened(), reads, self.channel.patience), strict=True
        ):
            remember(delivery, self.channel.answer(side))

    def _name(self, key: str) -> str:
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self._layout.queue_of(key)
        return name

    # Waiting ----------------------------------------------------------------------------------------------------------

    async def _go_idle(self, connection: Connection, timeout: float) -> float | None:
        """Take a place among those who wait; the seconds until something falls due, or None if there is work now."""
        version = self._revocations
        self._waits = True
        patience = self.channel.patience
        place = Call("idle", self.id, self._group, max(timeout, self.lease / 2) + 2.0, version, *self._lists)
        (answer,) = await self.channel.on(connection, [place], patience)
        anything, role = self.channel.answer(answer)
        if anything:
            return None
        look = Call("look", version, role, keys=self._watched(role == b"armed"))
        refused, answer = await self.channel.on(connection, [_NEXT_READ_IS_TRACKED, look], patience)
        self.channel.answer(refused)
        anything, due = self.channel.answer(answer)
        if anything:
            return None
        return max(0.0, float(due)) if due else float("inf")

    def _watched(self, armed: bool) -> list[str]:
        """The keys whose change wakes this consumer."""
        own = self._layout.own
        wake = f"{own}wake:{self.id}"
        return [wake, f"{own}revoked:v", f"{own}next", *self._lists] if armed else [wake]

    async def _poll(self, timeout: float) -> None:
        end = self._clock.monotonic() + timeout
        pause, longest = _POLL
        while True:
            (looked,) = await self.channel.on(
                self._opened(),
                [Call("look", self._revocations, "polls", keys=self._watched(armed=True))],
                self.channel.patience,
            )
            left = end - self._clock.monotonic()
            anything, due = self.channel.answer(looked)
            if anything or left <= 0 or (due and float(due) <= 0):
                return
            await self._clock.sleep(min(pause, left, float(due) if due else left))
            pause = min(pause * 1.3, longest)


def _field(ticket: Ticket) -> bytes:
    return b"%d:%d" % (ticket.generation, ticket.serial)
