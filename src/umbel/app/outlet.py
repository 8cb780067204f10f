"""The way out of a worker process: where its I/O thread takes publishing over from the app. A Protocol only."""

from collections.abc import Sequence
from typing import Protocol

from umbel.core.delivery import Outgoing, Receipt
from umbel.core.record import Record


class Outlet(Protocol):
    """Takes what user code sends, in order, and gives it to the process's one connection."""

    def publish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        """As ``SyncProducer.publish``, called on the lane: returns when the receipts are in."""

    async def apublish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        """The same from a coroutine on the lane's loop."""

    def write(self, records: Sequence[Record]) -> None:
        """As ``SyncStore.write``, in order with what is published."""

    async def awrite(self, records: Sequence[Record]) -> None:
        """The same from a coroutine on the lane's loop."""
