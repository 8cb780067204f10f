"""The way out of a worker process: where its I/O thread takes publishing over from the app. A Protocol only."""

from collections.abc import Sequence
from typing import Protocol

from umbel.core.delivery import Outgoing, Receipt
from umbel.core.message import Message
from umbel.core.record import Record


class Outlet(Protocol):
    """Takes what user code sends, in order, and gives it to the process's one connection."""

    def publish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        """As ``SyncProducer.publish``, called on the lane: returns when the receipts are in."""

    async def apublish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        """The same from a coroutine on the lane's loop."""

    @property
    def stopping(self) -> bool:
        """Whether this process was told to stop."""

    def keep(self, message: Message, record: Record) -> None:
        """Store a record under the claim of a message that runs here. Raises ``WorkerLostError`` if it is lost."""

    async def akeep(self, message: Message, record: Record) -> None:
        """The same from a coroutine."""

    def write(self, records: Sequence[Record]) -> None:
        """As ``SyncStore.write``, in order with what is published."""

    async def awrite(self, records: Sequence[Record]) -> None:
        """The same from a coroutine on the lane's loop."""
