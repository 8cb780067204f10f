"""``app.dead``: the messages that are not run again by themselves: to look at, send again, delete. Buries none."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from umbel.app import coroutine
from umbel.core.delivery import DeadLetter, Loss
from umbel.core.letters import Choice, Since, choice, exception_of
from umbel.core.message import Headers
from umbel.wire import body

if TYPE_CHECKING:
    from umbel.app.application import Umbel

ALL = 1_000_000
"""More than any broker keeps."""
BATCH = 500
"""Letters that one step in the broker is about."""


class Letter:
    """One dead letter, and all that is known of it.

    ``reason`` is one word (``failed``, ``lost``, ``rejected``, ``undecodable``, ``refused``, ``unregistered``),
    ``detail`` one line. ``history`` holds the workers that were lost with it: when, where, by which signal or exit
    code.
    """

    def __init__(self, app: "Umbel", letter: DeadLetter) -> None:
        self._app = app
        self._letter = letter
        self.id = letter.id
        self.queue = letter.queue
        self.reason = letter.reason
        self.detail = letter.detail
        self.traceback = letter.traceback
        self.raw: bytes | None = letter.raw
        self.history: tuple[Loss, ...] = letter.history

    @property
    def headers(self) -> Headers | None:
        """The message's headers; None where its bytes are no message."""
        return self._letter.message.headers if self._letter.message is not None else None

    @property
    def task(self) -> str | None:
        """The task's name."""
        return self.headers.task if self.headers else None

    @property
    def task_id(self) -> str | None:
        """The id of the call."""
        return self.headers.id if self.headers else None

    @property
    def at(self) -> datetime:
        """When it was buried, in UTC."""
        return datetime.fromtimestamp(self._letter.at, UTC)

    @property
    def exception(self) -> str | None:
        """The name of the exception that the task ended with, without its module."""
        return exception_of(self._letter)

    @property
    def args(self) -> list[Any]:
        """The positional arguments. Raises ``ContentDisallowed``, ``DecodeError``, ``SecurityError``: as a worker."""
        return self._arguments()[0]

    @property
    def kwargs(self) -> dict[str, Any]:
        """The named arguments; raises as ``args``."""
        return self._arguments()[1]

    def _arguments(self) -> tuple[list[Any], dict[str, Any]]:
        if self._letter.message is None:
            return [], {}
        return body.decode(self._letter.message, self._app.accept_content)[:2]

    def __repr__(self) -> str:
        return f"<dead letter {self.id}: {self.task or '?'} {self.reason}: {self.detail}>"


class Dead:
    """The dead letters of an app's broker. Each verb has a twin for coroutines, with an ``a`` in front.

    An id is that of the letter or of the task. Raises ``OperationalError`` when the broker cannot be reached, and
    ``KeyError`` for an id that nothing has.
    """

    def __init__(self, app: "Umbel") -> None:
        self._app = app

    # Looking ----------------------------------------------------------------------------------------------------------

    async def alist(self, limit: int | None = None) -> list[Letter]:
        """The newest first; all, or so many."""
        async with self._app.connections.keeper() as keeper:
            found = await keeper.dead(limit=ALL if limit is None else limit)
        return [Letter(self._app, letter) for letter in found]

    def __iter__(self) -> Iterator[Letter]:
        """All of them, the newest first."""
        return iter(coroutine.run(self.alist()))

    async def aget(self, id: str) -> Letter:
        """One letter; the newest, where a call has left several."""
        return Letter(self._app, (await self._named([id]))[0])

    def get(self, id: str) -> Letter:
        """One letter; the newest, where a call has left several."""
        return coroutine.run(self.aget(id))

    def __contains__(self, id: object) -> bool:
        """Whether there is a letter of this id."""
        return any(id in (letter.id, letter.task_id) for letter in self)

    # Changing ---------------------------------------------------------------------------------------------------------

    async def aretry(
        self,
        ids: str | Iterable[str] = (),
        *,
        all: bool = False,
        task: str | None = None,
        exception: str | None = None,
        since: Since | None = None,
    ) -> int:
        """Put letters back into their queues with a fresh count of losses, and say how many there were.

        Those named; or ``all``; or those of one ``task``, with one ``exception`` (its name), buried ``since`` then
        (``"2h"`` or a ``timedelta`` ago, a ``datetime``), where what is given must all be so. Raises ``ValueError`` for
        anything else.
        """
        wanted = await self._chosen(ids, all, self._choice(task, exception, since))
        async with self._app.connections.keeper() as keeper:
            return sum([await keeper.revive(batch) for batch in _batches(wanted)])

    def retry(
        self,
        ids: str | Iterable[str] = (),
        *,
        all: bool = False,
        task: str | None = None,
        exception: str | None = None,
        since: Since | None = None,
    ) -> int:
        """Put letters back into their queues with a fresh count of losses, and say how many. See ``aretry``."""
        return coroutine.run(self.aretry(ids, all=all, task=task, exception=exception, since=since))

    async def adelete(
        self,
        ids: str | Iterable[str] = (),
        *,
        all: bool = False,
        task: str | None = None,
        exception: str | None = None,
        since: Since | None = None,
    ) -> int:
        """Forget letters, chosen as for ``aretry``, and say how many there were."""
        wanted = await self._chosen(ids, all, self._choice(task, exception, since))
        async with self._app.connections.keeper() as keeper:
            return sum([await keeper.discard(batch) for batch in _batches(wanted)])

    def delete(
        self,
        ids: str | Iterable[str] = (),
        *,
        all: bool = False,
        task: str | None = None,
        exception: str | None = None,
        since: Since | None = None,
    ) -> int:
        """Forget letters, chosen as for ``aretry``, and say how many there were."""
        return coroutine.run(self.adelete(ids, all=all, task=task, exception=exception, since=since))

    # Inside -----------------------------------------------------------------------------------------------------------

    def _choice(self, task: str | None, exception: str | None, since: Since | None) -> Choice:
        return choice(task=task, exception=exception, since=since, now=self._app.clock.now())

    async def _chosen(self, ids: str | Iterable[str], everything: bool, which: Choice) -> list[str]:
        """The ids of the letters that are meant."""
        wanted = [ids] if isinstance(ids, str) else list(dict.fromkeys(ids))
        if bool(wanted) + everything + bool(which) != 1:
            raise ValueError("name the letters by their ids, or say all, or which: by task, exception, since")
        if wanted:
            return [letter.id for letter in await self._named(wanted)]
        async with self._app.connections.keeper() as keeper:
            return [letter.id for letter in await keeper.dead(limit=ALL) if which.takes(letter)]

    async def _named(self, ids: list[str]) -> list[DeadLetter]:
        """The letters of these ids, all of which must be there."""
        async with self._app.connections.keeper() as keeper:
            found = await keeper.dead(ids=ids, limit=ALL)
        known = {id for letter in found for id in (letter.id, letter.message and letter.message.headers.id)}
        for id in ids:
            if id not in known:
                raise KeyError(f"no dead letter {id!r}")
        return found


def _batches(ids: list[str]) -> Iterator[list[str]]:
    return (ids[at : at + BATCH] for at in range(0, len(ids), BATCH))
