"""The result port: what Umbel asks of a store of results. SUCCESS is never overwritten by anything.

The suite that holds every adapter is ``umbel.testing.result_conformance``.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from umbel.core.joining import Abandoned, Joined, Standing, Step
from umbel.core.message import Message
from umbel.core.record import Record
from umbel.core.resting import KEPT, KEPT_AT_LEAST
from umbel.core.states import FAILURE


class Life(NamedTuple):
    """How long records are kept, in seconds: all (None: for ever), and failures (None: as the others, 0: for ever).

    What is not there yet for any message (``core.resting``) is kept longer where results are not kept long.
    """

    expires: float | None
    failure_expires: float | None

    def seconds(self, record: Record) -> float | None:
        """How long a record is kept from its last write."""
        if record.status == FAILURE and self.failure_expires is not None:
            return self.failure_expires or None
        if record.status == KEPT and self.expires is not None:
            return max(self.expires, KEPT_AT_LEAST)
        return self.expires

    def end(self, record: Record, now: float) -> float | None:
        """When a record that is written now expires."""
        seconds = self.seconds(record)
        return None if seconds is None else now + seconds


def join_life(expires: float | None) -> float | None:
    """How long a join that is not done is kept from the last thing that happened to it, in seconds.

    Longer than results that are not kept long: its members may take their time, and what failed may be sent again.
    """
    return None if expires is None else max(expires, KEPT_AT_LEAST)


class SyncStore(Protocol):
    """Reading and writing results without an event loop. Safe to use from many threads, and after a fork."""

    def write(self, records: Sequence[Record]) -> None:
        """Store each record unless its task is SUCCESS already. Raises ``BackendStoreError``."""

    def read(self, ids: Sequence[str], timeout: float | None = None, *, sure: bool = False) -> dict[str, Record]:
        """The records there are, by task id. Raises ``BackendGetMetaError``, if need be after ``timeout`` seconds.

        For who waits, and looks again, a copy will do that is a little late. ``sure``: what is not there now is lost.
        """

    def wait(self, ids: Sequence[str], timeout: float) -> None:
        """Return when one of ``ids`` may have changed since the last ``read``, or after ``timeout`` seconds."""

    def forget(self, ids: Sequence[str]) -> None:
        """Delete records."""

    def close(self) -> None:
        """Free the connection. Safe to repeat."""


class Store(Protocol):
    """An adapter. Expiry is its own: a record lives ``expires`` seconds from its last write (None: for ever)."""

    url: str
    expires: float | None

    @property
    def sync(self) -> SyncStore:
        """The blocking twin."""

    def compile(self, record: Record) -> Any:
        """The write of ``record`` as an operation that a broker on the same server runs in its own atomic step."""

    async def write(self, records: Sequence[Record]) -> None:
        """As ``SyncStore.write``."""

    async def read(self, ids: Sequence[str], timeout: float | None = None, *, sure: bool = False) -> dict[str, Record]:
        """As ``SyncStore.read``."""

    async def wait(self, ids: Sequence[str], timeout: float) -> None:
        """As ``SyncStore.wait``."""

    async def forget(self, ids: Sequence[str]) -> None:
        """As ``SyncStore.forget``."""

    async def prune(self, limit: int = 1000) -> int:
        """Delete up to ``limit`` expired records, and say how many."""

    async def close(self) -> None:
        """Free the connection. Safe to repeat."""


class Joins(Protocol):
    """The joins of a store (``core.joining``): what it keeps of chords until their bodies are published.

    Everything may be repeated. Joins expire: those that are done like records, others as ``join_life`` says.
    """

    def compile(self, step: Step) -> Any:
        """The step as an operation for the broker, as ``Store.compile``; it may complete a join."""

    async def take(self, steps: Sequence[Step]) -> list[Joined | None]:
        """Take the steps in order; each answers the join that it completed. Raises ``BackendStoreError``.

        A join is completed for one part at a time: for another than before only when ``CLAIM`` seconds have passed.
        """

    def take_sync(self, steps: Sequence[Step]) -> list[Joined | None]:
        """``take``, blocking."""

    async def standings(self, groups: Sequence[str]) -> dict[str, Standing]:
        """How full these joins are: those that are there, by group. Raises ``BackendGetMetaError``."""

    async def bodies(self, groups: Sequence[str]) -> dict[str, bytes]:
        """The encoded bodies that these joins keep: those that there are. Raises ``BackendGetMetaError``."""

    async def abandoned(self, limit: int = 64) -> list[Abandoned]:
        """Claim up to ``limit`` joins that are complete, and that nobody saw to for ``CLAIM`` seconds."""


@runtime_checkable
class CanJoin(Protocol):
    """A store that can join. Others need a task that looks (``celery.chord_unlock``)."""

    @property
    def joins(self) -> Joins:
        """The joins."""


@runtime_checkable
class Notes(Protocol):
    """A store that wants to see the call whose record it is about to get."""

    def note(self, record: Record, message: Message) -> None:
        """``record`` is about to be written, and is about this call. From any thread."""


class Groups(Protocol):
    """Saved groups: result tuples by group id, kept as long as records. Blocking, as ``SyncStore``."""

    def save(self, id: str, shape: Sequence[Any]) -> None:
        """Keep ``((id, parent), [member, ...])``, also over another. Raises ``BackendStoreError``."""

    def restore(self, id: str) -> Any:
        """What was saved, as lists, or None. Raises ``BackendGetMetaError``, and ``DecodeError`` for other things."""

    def delete(self, id: str) -> None:
        """Forget it. The members' records stay. Raises ``BackendStoreError``."""


@runtime_checkable
class CanSaveGroups(Protocol):
    """A store that saves groups."""

    @property
    def groups(self) -> Groups:
        """The groups."""


class Catalogue(Protocol):
    """Which workflows there are: keys that their callers chose, kept as long as records."""

    def note_sync(self, key: str, records: Sequence[Record]) -> None:
        """``note``, blocking."""

    async def note(self, key: str, records: Sequence[Record]) -> None:
        """Store records as ``Store.write`` does, and add a key, in one round trip: once, and within a few seconds.

        Raises ``BackendStoreError``.
        """

    async def newest(self, limit: int) -> list[str]:
        """The keys that were added last, the newest first. Raises ``BackendGetMetaError``."""


@runtime_checkable
class CanList(Protocol):
    """A store that knows which workflows there are."""

    @property
    def catalogue(self) -> Catalogue:
        """The workflows."""


class Feed(Protocol):
    """The ends of some tasks, as they come. Belongs to one event loop."""

    async def next(self, timeout: float) -> dict[str, Record]:
        """Ends that were not told yet, as soon as there is one; nothing after ``timeout`` seconds, or for a lost
        connection. Raises ``BackendGetMetaError``.
        """

    async def close(self) -> None:
        """Hear no more. Safe to repeat."""


@runtime_checkable
class CanFollow(Protocol):
    """A store that tells of ends, so that nobody need read what has not ended."""

    def follow(self, ids: Sequence[str]) -> Feed:
        """The feed of these tasks. Connects nothing yet."""
