"""Puts messages into lists: one step for all of a call, async and blocking. The twins share what they send and read."""

from collections.abc import Iterable, Sequence
from typing import Any

from umbel.broker.redis.channel import Call, Channel, Sent, SyncChannel
from umbel.broker.redis.counting import Survey
from umbel.broker.redis.layout import Layout
from umbel.broker.redis.settling import outgoing_args
from umbel.core.delivery import ACCEPTED, Accepted, Depth, Outgoing, Receipt, Refused, Unknown
from umbel.core.errors import OperationalError, UmbelError
from umbel.drivers.redis import BadOperation, CutOff, Place, explained, is_error
from umbel.drivers.redis.loops import PerLoop
from umbel.runtime.clock import Clock


class Single:
    """What a call with one message publishes, as most calls have one: see ``Publication``."""

    __slots__ = ("_layout", "_queue", "_steps", "receipts")

    def __init__(self, outgoing: Outgoing, layout: Layout) -> None:
        self.receipts: list[Receipt] = [ACCEPTED]
        self._layout = layout
        self._queue = outgoing.queue
        self._steps: list[Sent] = []
        try:
            target, due, name, element = outgoing_args(outgoing, layout)
        except (UmbelError, TypeError, ValueError) as exc:
            self.receipts = [Refused(exc)]
        else:
            self._steps = [Call("delay", target, due, name, element) if due else ("LPUSH", target, element)]

    def commands(self, known: set[str]) -> list[Sent]:
        """The command, and the binding if this connection has not made it yet."""
        if self._queue in known or not self._steps:
            return self._steps
        return [*self._layout.bind([self._queue]), *self._steps]

    def read(self, replies: list[Any], known: set[str], place: Place) -> list[Receipt]:
        """The receipt. Raises ``OperationalError`` if the server took nothing at all."""
        if is_error(replies[-1]):
            error = explained(replies[-1], place)
            if not isinstance(error, BadOperation):
                raise error
            return [Refused(error)]
        known.add(self._queue)
        return self.receipts

    def unknown(self, error: CutOff) -> list[Receipt]:
        """The receipt when the connection ended before the answer came."""
        return [Unknown(error)]


class Publication:
    """What one call publishes: the commands, and the receipts that their replies come to."""

    def __init__(self, messages: Sequence[Outgoing], layout: Layout) -> None:
        self.receipts: list[Receipt] = [ACCEPTED] * len(messages)
        self._layout = layout
        self._queues: set[str] = set()
        self._lists: dict[str, list[bytes]] = {}
        self._members: dict[str, list[int]] = {}
        self._delayed: list[Any] = []
        self._delayed_members: list[int] = []
        self._routed: list[Call] = []
        self._routed_members: list[int] = []
        for index, outgoing in enumerate(messages):
            try:
                self._add(index, outgoing)
            except (UmbelError, TypeError, ValueError) as exc:
                self.receipts[index] = Refused(exc)

    def _add(self, index: int, outgoing: Outgoing) -> None:
        target, due, name, element = outgoing_args(outgoing, self._layout)
        if outgoing.exchange is not None:
            self._queues.update(self._layout.of_exchange(outgoing.message.properties.delivery_info.exchange))
            self._routed.append(Call("send", target, due, name, element))
            self._routed_members.append(index)
            return
        self._queues.add(outgoing.queue)
        if due:
            self._delayed += (target, due, name, element)
            self._delayed_members.append(index)
        else:
            self._lists.setdefault(target, []).append(element)
            self._members.setdefault(target, []).append(index)

    def commands(self, known: set[str]) -> list[Sent]:
        """The commands: bindings that this connection has not made yet, then all messages in one transaction."""
        layout = self._layout
        steps: list[Sent] = [("LPUSH", target, *elements) for target, elements in self._lists.items()]
        if self._delayed:
            steps.append(Call("delay", *self._delayed))
        steps += self._routed
        if len(steps) > 1:
            scripts = {step.name for step in steps if isinstance(step, Call)}
            steps = [*[Call(name, load=True) for name in sorted(scripts)], ("MULTI",), *steps, ("EXEC",)]
        if not steps or self._queues <= known:
            return steps
        return [*layout.bind(sorted(self._queues - known)), *steps]

    def read(self, replies: list[Any], known: set[str], place: Place) -> list[Receipt]:
        """The receipts. Raises ``OperationalError`` if the server took nothing at all."""
        groups = [*self._members.values(), *([self._delayed_members] if self._delayed_members else [])]
        groups += [[index] for index in self._routed_members]
        if not groups:
            return self.receipts
        if len(groups) == 1:
            answers = replies[-1:]
        else:
            answers = replies[-1]
            if is_error(answers):
                first = next((reply for reply in replies[:-1] if is_error(reply)), answers)
                raise explained(first, place)
        errors = [explained(answer, place) if is_error(answer) else None for answer in answers]
        if errors[0] is not None and not isinstance(errors[0], BadOperation) and len(groups) == 1:
            raise errors[0]
        for error, members in zip(errors, groups, strict=True):
            if error is not None:
                for index in members:
                    self.receipts[index] = Refused(error)
        known |= self._queues
        return self.receipts

    def unknown(self, error: CutOff) -> list[Receipt]:
        """The receipts when the connection ended before the answer came."""
        return [Unknown(error) if isinstance(receipt, Accepted) else receipt for receipt in self.receipts]


def publication(messages: Sequence[Outgoing], layout: Layout) -> Single | Publication:
    """What a call publishes."""
    if len(messages) == 1 and messages[0].exchange is None:
        return Single(messages[0], layout)
    return Publication(messages, layout)


class RedisProducer:
    """See ``broker.base.Producer``."""

    def __init__(self, channels: PerLoop[Channel], layout: Layout) -> None:
        self._channels = channels
        self._layout = layout

    async def publish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        """As the port says: all that can be encoded goes in one step."""
        sending = publication(messages, self._layout)
        channel = await self._channels.get()
        end = channel.clock.monotonic() + deadline
        try:
            connection = await channel.opened(deadline)
        except CutOff as exc:
            raise OperationalError(str(exc)) from exc
        commands = sending.commands(channel.known)
        if not commands:
            return sending.receipts
        try:
            replies = await channel.on(connection, commands, max(0.001, end - channel.clock.monotonic()))
        except CutOff as exc:
            return sending.unknown(exc)
        return sending.read(replies, channel.known, channel.place)

    async def close(self) -> None:
        """Nothing is held: the connection belongs to the event loop."""


class RedisSyncProducer:
    """See ``broker.base.SyncProducer``."""

    def __init__(
        self, place: Place, layout: Layout, clock: Clock, survey: Survey, *, connections: int | None = None
    ) -> None:
        self._channel = SyncChannel(place, layout, clock, most=connections)
        self._survey = survey

    def publish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        """As the port says: all that can be encoded goes in one step."""
        channel = self._channel
        sending = publication(messages, channel.layout)
        clock = channel.clock
        end = clock.monotonic() + deadline
        connection = channel.take(deadline)
        try:
            commands = sending.commands(connection.known)
            if not commands:
                return sending.receipts
            replies = channel.on(connection, commands, max(0.001, end - clock.monotonic()))
            return sending.read(replies, connection.known, channel.place)
        except CutOff as exc:
            return sending.unknown(exc)
        finally:
            channel.give(connection)

    def survey(self, queues: Iterable[str] | None, *, deadline: float = 5.0) -> list[Depth]:
        """As the port says."""
        clock = self._channel.clock
        end = clock.monotonic() + deadline
        with self._channel.connection(deadline) as connection:
            return self._survey.run(
                lambda sent: self._channel.on(connection, sent, max(0.001, end - clock.monotonic())), queues
            )

    def close(self) -> None:
        """As the port says."""
        self._channel.close()
