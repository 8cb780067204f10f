"""Bodies of chords: the second phase of a join, beside the I/O thread that learned of its completion.

The message that completed the join stays claimed until its body is settled. The body is built on a thread of its own,
because that is user code's business (routes, signals, serializers), and the lane may be busy for long.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from umbel.app import signals
from umbel.app.application import Umbel
from umbel.app.trouble import one_line
from umbel.core.delivery import Bury, Keep, Outgoing, Settled, Settlement, Verdict
from umbel.core.errors import BackendStoreError, OperationalError
from umbel.core.joining import Joined
from umbel.runtime.aside import Aside
from umbel.worker.hand import Finished, Hand
from umbel.worker.joining import Joiner, Share

logger = logging.getLogger("umbel.worker")


class Bodies:
    """Belongs to one I/O thread; its methods run there unless they say otherwise."""

    def __init__(self, app: Umbel, hand: Hand) -> None:
        self._app = app
        self._hand = hand
        self._joiner = Joiner(app)
        self._aside = Aside()
        self._work: set[asyncio.Task[None]] = set()

    @property
    def shared(self) -> bool:
        """As ``Joiner.shared``."""
        return self._joiner.shared

    async def prepare(self, batch: Iterable[Finished]) -> None:
        """Read who else is concerned. For a store on another server: write and take what comes before the settlements.

        Where that completes a join, the message is kept. Raises ``BackendStoreError``; may be repeated.
        """
        for one in batch:
            if one.share is not None and one.share.unread:
                ops = await self._joiner.read(one.share)
                one.settlement.ops = (*one.settlement.ops, *ops)
        for one in batch:
            if one.share is not None and (one.share.records or one.share.first):
                await self._joiner.prepare([one.share])
                if one.share.joined:
                    one.settlement.disposition = Keep()

    def see_to(self, one: Finished, verdict: Settled) -> bool:
        """After a settlement that did something for others. True: it completed a join, and its message is kept."""
        share = one.share
        assert share is not None
        if share.then:
            self._later(self._joiner.complete(share))
        joined = verdict.joined or share.joined
        if not joined:
            return False
        self._aside.call(self._build, one, share, joined)
        if one.answer is not None:
            one.answer(verdict)
        return True

    def _build(self, one: Finished, share: Share, joined: Sequence[Joined]) -> None:
        """On a thread of its own: build the bodies, and hand over the settlement that publishes them."""
        held = one.held
        try:
            decision = self._joiner.body(held.delivery.message, share, joined)
            next, ops = self._joiner.share(decision)
            finished = Finished(held, Settlement(held.ticket, decision.disposition, decision.publish, ops))
            finished.share = next
            if decision.publish and signals.after_task_publish.receivers:
                finished.answer = lambda verdict: self._announce(verdict, decision.publish)
        except Exception as error:
            logger.exception("The body of a chord met an error in Umbel itself")
            finished = Finished(held, Settlement(held.ticket, Bury("failed", one_line(error))))
        self._hand.finish(finished)
        self._hand.flush()

    def _announce(self, verdict: Verdict, messages: Sequence[Outgoing]) -> None:
        if isinstance(verdict, Settled):
            for outgoing in messages:
                self._aside.call(self._app.client.announce, outgoing)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it without waiting. What fails is the sweeper's business."""
        task = asyncio.get_running_loop().create_task(_tried(work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)


async def _tried(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except (BackendStoreError, OperationalError) as error:
        logger.warning("A chord could not be closed, so its body may run again: %s", error)
