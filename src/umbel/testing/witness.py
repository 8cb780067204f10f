"""The witness: writes into the ledger what a worker rescues and acknowledges, which its tasks cannot see.

The application under test calls ``install(app)`` where it is made. Without ``UMBEL_WITNESS`` and ``UMBEL_LEDGER`` in
the environment that does nothing. It asks the store for every result whose message was acknowledged, so workers that
are watched are slower.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from umbel.app.application import Umbel
from umbel.broker.base import Admin, Consumer
from umbel.core.delivery import Ack, Adopted, ConsumerId, Release, Settled, Settlement, Ticket, Turn, Want
from umbel.core.errors import BackendError
from umbel.runtime.children import is_stopped
from umbel.testing.ledger import LEDGER, Ledger
from umbel.testing.wrapping import wrap_parts
from umbel.worker.watch import Watch

WITNESS = "UMBEL_WITNESS"
PATIENCE = 0.3
"""Seconds that a look at results may take."""


def install(app: Umbel) -> None:
    """Watch the workers of this application. Once, where it is made; nothing without the variables."""
    ledger = os.environ.get(LEDGER)
    if ledger and os.environ.get(WITNESS):
        witness = _Witness(app, Ledger(Path(ledger)))
        wrap_parts(app.broker, witness.watch_consumer, witness.watch_keeper)
        witness.watch_the_watch()


class _Witness:
    """One interpreter's."""

    def __init__(self, app: Umbel, ledger: Ledger) -> None:
        self._app = app
        self._ledger = ledger
        self._ids: dict[Ticket, str] = {}

    def watch_consumer(self, consumer: Consumer, queues: Sequence[str]) -> None:
        """Note what it acknowledges; of a supervisor's, what it gives back."""
        exchange = consumer.exchange

        async def exchanged(settlements: Sequence[Settlement], want: Want) -> Turn:
            turn = await exchange(settlements, want)
            for one in turn.deliveries:
                if one.message is not None:
                    self._ids[one.ticket] = one.message.headers.id
            await self._settled(settlements, turn, rescues=not queues)
            return turn

        consumer.exchange = exchanged  # type: ignore[method-assign]

    def watch_keeper(self, keeper: Admin) -> None:
        """Note what it takes over."""
        adopt = keeper.adopt

        async def adopted(dead: ConsumerId | None, limit: int) -> list[Adopted]:
            found = await adopt(dead, limit)
            for one in found:
                if one.delivery.message is not None:
                    id = self._ids[one.delivery.ticket] = one.delivery.message.headers.id
                    self._ledger.note("rescue", id, pid=one.pid or "", node=one.node)
            return found

        keeper.adopt = adopted  # type: ignore[method-assign]

    def watch_the_watch(self) -> None:
        """A process that a busy machine did not let run is ended for it: a fault, though nobody did it on purpose."""
        kill = Watch.kill

        def killed(seat: Any, why: Any, slot: Any = None) -> None:
            if why == "stuck" and seat.child is not None and not is_stopped(seat.child.pid):
                self._ledger.note("fault", "starved", pids=seat.child.pid, slots=seat.board.width)
            kill(seat, why, slot)

        Watch.kill = staticmethod(killed)  # type: ignore[method-assign]

    async def _settled(self, settlements: Sequence[Settlement], turn: Turn, *, rescues: bool) -> None:
        acked = []
        for one, verdict in zip(settlements, turn.verdicts, strict=True):
            id = self._ids.get(one.ticket)
            if id is None or not isinstance(verdict, Settled) or verdict.joined:
                continue
            if rescues and isinstance(one.disposition, Release):
                self._ledger.note("back", id)
            elif isinstance(one.disposition, Ack):
                acked.append(id)
            if not isinstance(one.disposition, Ack | Release):
                continue
            del self._ids[one.ticket]
        if acked and self._app.store is not None:
            await self._look(acked)

    async def _look(self, acked: list[str]) -> None:
        """Whether what was acknowledged has a result."""
        store = self._app.store
        assert store is not None
        try:
            async with asyncio.timeout(PATIENCE):  # the lease must not lapse because somebody watches
                records = await store.read(acked)
        except (BackendError, TimeoutError):
            return  # it is away: nothing can be said
        for id in acked:
            self._ledger.note("acked", id, stored="yes" if id in records else "no")
