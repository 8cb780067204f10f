"""Handles on the results of several calls: read in one round trip, and awaited together. Knows of no group.

Every waiting method has an async twin with the prefix ``a``; ``async for value in group`` gives values as they come.
"""

from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from umbel.app import ambient
from umbel.app.results import NO_STORE, AsyncResult
from umbel.app.waiting import Waiting, check_may_wait
from umbel.core import states
from umbel.core.record import Record
from umbel.result.base import CanFollow, Feed

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.result.base import Store

WATCHED = 256
"""How many results are watched at a time: when one of them ends, all that are awaited are read."""


class ResultSet:
    """Several results: of tasks, or of groups."""

    def __init__(self, results: "Iterable[Any]" = (), app: "Umbel | None" = None, **unused: Any) -> None:
        self.results: list[Any] = list(results)
        self._app = app

    # Being a collection -----------------------------------------------------------------------------------------------

    def add(self, result: Any) -> None:
        """Add one, if it is not there yet."""
        if result not in self.results:
            self.results.append(result)

    def remove(self, result: Any) -> None:
        """Take one out, by handle or id. Raises ``KeyError``."""
        try:
            self.results.remove(result)
        except ValueError:
            raise KeyError(result) from None

    def discard(self, result: Any) -> None:
        """Take one out, if it is there."""
        if result in self.results:
            self.results.remove(result)

    def update(self, results: "Iterable[Any]") -> None:
        """Add those that are not there yet."""
        for result in results:
            self.add(result)

    def clear(self) -> None:
        """Take all out."""
        self.results.clear()

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.results)

    def __getitem__(self, index: int) -> Any:
        return self.results[index]

    def __eq__(self, other: object) -> bool:
        return other.results == self.results if isinstance(other, ResultSet) else NotImplemented

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: [{', '.join(map(str, self.results))}]>"

    @property
    def app(self) -> "Umbel":
        """The app through which results are read."""
        if self._app is None:
            self._app = self.results[0].app if self.results else ambient.get_current_app()
        return self._app

    @property
    def backend(self) -> "Store":
        """The store that is read. Raises ``NotImplementedError`` where results are not configured."""
        store = self.app.store
        if store is None:
            raise NotImplementedError(NO_STORE)
        return store

    def leaves(self) -> "Iterator[AsyncResult[Any]]":
        """The handles on single tasks, in order: those of groups in it as well."""
        for result in self.results:
            yield from result.leaves()

    def __str__(self) -> str:
        return ", ".join(map(str, self.results))

    @property
    def sent_to(self) -> str | None:
        """A queue that was called."""
        return next((leaf.sent_to for leaf in self.leaves()), None)

    # Reading ----------------------------------------------------------------------------------------------------------

    def _awaited(self) -> "list[AsyncResult[Any]]":
        return [leaf for leaf in self.leaves() if not leaf.ended]

    def _watched(self) -> "list[AsyncResult[Any]]":
        """What is read while it waits."""
        return self._awaited()

    def fetch(self, timeout: float | None = None) -> "list[AsyncResult[Any]]":
        """Read all that have not ended, in one round trip; return those that still have not."""
        if awaited := self._watched():
            found = self.backend.sync.read([leaf.id for leaf in awaited], timeout)
            for leaf in awaited:
                leaf.learn(found.get(leaf.id))
        return self._awaited()

    async def afetch(self, timeout: float | None = None) -> "list[AsyncResult[Any]]":
        """``fetch``, for coroutines."""
        if awaited := self._watched():
            found = await self.backend.read([leaf.id for leaf in awaited], timeout)
            for leaf in awaited:
                leaf.learn(found.get(leaf.id))
        return self._awaited()

    def ready(self) -> bool:
        """Whether all have ended."""
        return not self.fetch()

    async def aready(self) -> bool:
        """``ready``, for coroutines."""
        return not await self.afetch()

    def waiting(self) -> bool:
        """Whether any has not ended."""
        return bool(self.fetch())

    def successful(self) -> bool:
        """Whether all have returned."""
        return not self.fetch() and all(leaf.seen_state == states.SUCCESS for leaf in self.leaves())

    async def asuccessful(self) -> bool:
        """``successful``, for coroutines."""
        return not await self.afetch() and all(leaf.seen_state == states.SUCCESS for leaf in self.leaves())

    def failed(self) -> bool:
        """Whether any has raised."""
        self.fetch()
        return any(leaf.seen_state == states.FAILURE for leaf in self.leaves())

    async def afailed(self) -> bool:
        """``failed``, for coroutines."""
        await self.afetch()
        return any(leaf.seen_state == states.FAILURE for leaf in self.leaves())

    def completed_count(self) -> int:
        """How many have returned."""
        self.fetch()
        return sum(leaf.seen_state == states.SUCCESS for leaf in self.leaves())

    async def acompleted_count(self) -> int:
        """``completed_count``, for coroutines."""
        await self.afetch()
        return sum(leaf.seen_state == states.SUCCESS for leaf in self.leaves())

    # Waiting ----------------------------------------------------------------------------------------------------------

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = 0.5,
        callback: Callable[[str, Any], Any] | None = None,
        no_ack: bool = True,
        on_message: Callable[[dict[str, Any]], Any] | None = None,
        disable_sync_subtasks: bool = True,
        on_interval: Callable[[], Any] | None = None,
    ) -> list[Any]:
        """Wait for all, and return their values in order, or raise what the first to fail raised (``propagate``).

        With ``callback`` it is called with id and value of each instead, and nothing is returned. ``timeout`` in
        seconds raises ``TimeoutError``. Raises ``RuntimeError`` inside a task, unless ``disable_sync_subtasks=False``.
        """
        check_may_wait(disable_sync_subtasks)
        wait = Waiting(self, timeout, interval, on_message, on_interval)
        while self._not_done(wait, wait.ask(self.fetch), propagate):
            self.backend.sync.wait([leaf.id for leaf in self._watched()[:WATCHED]], wait.slice())
            wait.passed()
        if callback is None:
            return self.values(propagate)
        for leaf in self.leaves():
            callback(leaf.id, leaf.seen_value)
        return []

    join = get
    join_native = get

    async def aget(
        self, timeout: float | None = None, propagate: bool = True, *, disable_sync_subtasks: bool = True
    ) -> list[Any]:
        """``get``, for coroutines."""
        check_may_wait(disable_sync_subtasks)
        wait = Waiting(self, timeout, 0.5, None, None)
        while self._not_done(wait, await wait.aask(self.afetch), propagate):
            await self.backend.wait([leaf.id for leaf in self._watched()[:WATCHED]], wait.slice())
            await wait.apassed()
        return self.values(propagate)

    ajoin = aget

    def __await__(self) -> Generator[Any, None, list[Any]]:
        return self.aget().__await__()

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Values as the tasks end; raises what a task raised when it is its turn."""
        async for leaf in self.aiterate():
            leaf.throw_if_failed()
            yield leaf.seen_value

    async def aiterate(self, timeout: float | None = None) -> "AsyncIterator[AsyncResult[Any]]":
        """The handles on single tasks as they end."""
        check_may_wait(True)
        wait = Waiting(self, timeout, 0.5, None, None)
        awaited = {leaf.id: leaf for leaf in await wait.aask(self.afetch)}
        for leaf in {leaf.id: leaf for leaf in self.leaves()}.values():
            if leaf.ended and leaf.id not in awaited:
                yield leaf
        store = self.backend
        feed = store.follow(list(awaited)) if isinstance(store, CanFollow) else None
        try:
            while self._not_done(wait, list(awaited.values()), propagate=False):
                found = await wait.within(self._news(feed, list(awaited), wait.slice()))
                for id in [id for id in found if id in awaited]:
                    awaited[id].learn(found[id])
                    if awaited[id].ended:
                        yield awaited.pop(id)
                await wait.apassed()
        finally:
            if feed is not None:
                await feed.close()

    async def _news(self, feed: Feed | None, ids: Sequence[str], timeout: float) -> dict[str, Record]:
        """What is new of these tasks: heard, or read when it may be there."""
        if feed is not None:
            return await feed.next(timeout)
        await self.backend.wait(ids, timeout)
        return await self.backend.read(ids)

    def iter_native(
        self,
        timeout: float | None = None,
        interval: float = 0.5,
        no_ack: bool = True,
        on_message: Callable[[dict[str, Any]], Any] | None = None,
        on_interval: Callable[[], Any] | None = None,
        disable_sync_subtasks: bool = True,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """``(id, record)`` of the single tasks as they end; a record has ``status``, ``result``, ``traceback``, …."""
        check_may_wait(disable_sync_subtasks)
        wait, given = Waiting(self, timeout, interval, on_message, on_interval), set[str]()
        while True:
            awaited = wait.ask(self.fetch)
            for leaf in self.leaves():
                if leaf.ended and leaf.id not in given:
                    given.add(leaf.id)
                    yield leaf.id, leaf.seen_record()
            if not self._not_done(wait, awaited, propagate=False):
                return
            self.backend.sync.wait([leaf.id for leaf in awaited[:WATCHED]], wait.slice())
            wait.passed()

    def iterate(self, timeout: float | None = None, propagate: bool = True, interval: float = 0.5) -> Iterator[Any]:
        """Values as the tasks end."""
        ended = {leaf.id: leaf for leaf in self.leaves()}
        for id, _ in self.iter_native(timeout, interval):
            if propagate:
                ended[id].throw_if_failed()
            yield ended[id].seen_value

    def _not_done(self, wait: Waiting, awaited: "Sequence[AsyncResult[Any]]", propagate: bool) -> bool:
        """Whether to wait on. Raises ``TimeoutError``, and what a task raised."""
        if propagate:
            self.throw_if_failed()
        wait.heard = any(leaf.seen_state != states.PENDING for leaf in self.leaves())
        if not awaited:
            return False
        wait.check(f"{len(awaited)} of {sum(1 for _ in self.leaves())} tasks have no result")
        return True

    def throw_if_failed(self) -> None:
        """Raise what a task raised, if these handles have seen it, without reading."""
        for leaf in self.leaves():
            leaf.throw_if_failed()

    def values(self, propagate: bool = True) -> list[Any]:
        """The values in order as far as they are known; those of a group in it are a list."""
        if propagate:
            self.throw_if_failed()
        return [
            result.values(propagate) if isinstance(result, ResultSet) else result.seen_value for result in self.results
        ]

    def maybe_throw(self, callback: Callable[[str, Any], Any] | None = None, propagate: bool = True) -> None:
        """Raise what a task raised, if one did."""
        self.fetch()
        for leaf in self.leaves():
            if propagate:
                leaf.throw_if_failed()
            if callback is not None:
                callback(leaf.id, leaf.seen_value)

    maybe_reraise = maybe_throw

    def then(
        self, callback: "Callable[[Self], Any]", on_error: Callable[[BaseException], Any] | None = None, **unused: Any
    ) -> Self:
        """Call ``callback(self)`` once all have ended and these handles see it, in ``get()`` or ``ready()``."""
        left = {leaf.id for leaf in self._awaited()}
        if not left:
            callback(self)

        def seen(leaf: "AsyncResult[Any]") -> None:
            left.discard(leaf.id)
            if not left:
                callback(self)

        for leaf in self._awaited():
            leaf.then(seen, on_error)
        return self

    # Acting -----------------------------------------------------------------------------------------------------------

    def revoke(self, terminate: bool = False, signal: str | None = None) -> None:
        """Mark all in the broker so that no worker starts them; ``terminate`` ends those that run."""
        self.app.control.revoke([leaf.id for leaf in self.leaves()], terminate=terminate, signal=signal)

    async def arevoke(self, terminate: bool = False, signal: str | None = None) -> None:
        """``revoke``, for coroutines."""
        await self.app.control.arevoke([leaf.id for leaf in self.leaves()], terminate=terminate, signal=signal)

    def forget(self) -> None:
        """Delete the stored results, and those of what ran before a group."""
        self.backend.sync.forget(self._all_forgotten())

    async def aforget(self) -> None:
        """``forget``, for coroutines."""
        await self.backend.forget(self._all_forgotten())

    def _all_forgotten(self) -> list[str]:
        return [leaf.forgotten() for leaf in self.leaves()]

    @property
    def supports_native_join(self) -> bool:
        """Always: results are read together."""
        return True
