"""``with app.bulk():`` — every call inside goes out in one publish at the end; an exception sends none.

Scoped by a context variable: to this thread, and to this coroutine and those it starts.
"""

from collections.abc import Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING

from umbel.core.delivery import Outgoing

if TYPE_CHECKING:
    from umbel.app.application import Umbel


class Bulk:
    """One block. Blocks nest: the inner one's messages join the outer one's, if it ends well."""

    def __init__(self, app: "Umbel") -> None:
        self.app = app
        self.messages: list[Outgoing] = []
        self.outer: Bulk | None = None
        self.open = False
        self._token: Token[Bulk | None] | None = None

    def __len__(self) -> int:
        return len(self.messages)

    def __enter__(self) -> "Bulk":
        if self.open:
            raise RuntimeError("this bulk() block is open already: make another one")
        self.outer = _innermost.get()
        self._token = _innermost.set(self)
        self.messages = []
        self.open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        messages = self._end(failed=kind is not None)
        if messages:
            self.app.client.publish(messages)

    async def __aenter__(self) -> "Bulk":
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        messages = self._end(failed=kind is not None)
        if messages:
            await self.app.client.apublish(messages)

    def _end(self, *, failed: bool) -> list[Outgoing]:
        """Close, and return what is to be published now."""
        self.open = False
        if self._token is not None:
            _innermost.reset(self._token)
            self._token = None
        messages, self.messages = self.messages, []
        if failed:
            return []
        outer = _for(self.app, self.outer)
        if outer is None:
            return messages
        outer.messages.extend(messages)
        return []


_innermost: ContextVar[Bulk | None] = ContextVar("umbel_bulk", default=None)


def collect(app: "Umbel", messages: Sequence[Outgoing]) -> bool:
    """Keep messages of ``app`` for the end of the block around this call. False: there is none, publish them."""
    block = _innermost.get()
    if block is None:
        return False
    block = _for(app, block)
    if block is None:
        return False
    block.messages.extend(messages)
    return True


def collecting() -> bool:
    """Whether an open block is around this call."""
    block = _innermost.get()
    while block is not None and not block.open:
        block = block.outer
    return block is not None


def _for(app: "Umbel", block: Bulk | None) -> Bulk | None:
    """The innermost open block of ``app``. A coroutine may outlive the block that it was started in."""
    while block is not None and not (block.open and block.app is app):
        block = block.outer
    return block
