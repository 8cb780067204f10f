"""The sweeper: publishes bodies of chords that nobody saw to, because whoever completed the join is gone for good.

A worker of Umbel that dies leaves its claim behind, and the redelivered member sees to the body. What is left for here
is what left no claim: a member that another system ran, a message that was purged, a store on another server.
"""

import logging
from collections.abc import Sequence

from umbel.app.application import Umbel
from umbel.core.delivery import Accepted
from umbel.core.errors import OperationalError
from umbel.core.joining import Closing, Joined, Part
from umbel.core.outcome import After
from umbel.core.signature import Signature
from umbel.worker.joining import Joiner, beside

logger = logging.getLogger("umbel.worker")


class Sweeper:
    """Belongs to a supervisor. User code runs beside its loop."""

    def __init__(self, app: Umbel) -> None:
        self._app = app
        self._joiner = Joiner(app)

    async def sweep(self) -> int:
        """Publish what is left behind, and say how many bodies. Raises ``OperationalError``, ``BackendStoreError``."""
        count = 0
        while self._joiner.joins is not None and (found := await self._joiner.joins.abandoned()):
            for one in found:
                logger.warning("The chord %s was left behind complete: its body is published now", one.joined.group)
                await self._publish([(one.joined, one.body)])
                count += 1
        return count

    async def _publish(self, due: Sequence[tuple[Joined, Signature | None]]) -> None:
        while due:
            after = await beside(self._joiner.bodies, None, due)
            due = [] if after is None else await self._perform(after)

    async def _perform(self, after: After) -> list[tuple[Joined, Signature | None]]:
        """In the fixed order of two servers: records and joins, messages, and only then the closing of the join."""
        joins, store = self._joiner.joins, self._app.store
        assert joins is not None
        assert store is not None
        await self._joiner.read_after(after)
        await store.write(after.records)
        first = [step for step in after.steps if not isinstance(step, Closing)]
        bodies = {step.group: step.body for step in first if isinstance(step, Part)}
        answers = await joins.take(first)
        deadline = self._app.conf.broker_publish_timeout
        producer = self._app.broker.producer()
        try:
            receipts = await producer.publish(after.publish, deadline=deadline)
        finally:
            await producer.close()
        if not all(isinstance(receipt, Accepted) for receipt in receipts):
            raise OperationalError(
                "the body of a chord that was left behind could not be published; trying again later"
            )
        await joins.take([step for step in after.steps if isinstance(step, Closing)])
        return [(joined, bodies.get(joined.group)) for joined in answers if joined is not None]
