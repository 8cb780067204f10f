"""Joins in a process: what a settlement does for others, and the second phase when it has completed a join.

The lane makes the settlements (user code hides in signatures too); the I/O thread takes steps that the broker cannot
take, and has the body of a complete join built on a thread of its own: the lane may be busy for long, and neither the
I/O thread nor the supervisor's loop runs user code.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from umbel.app import request
from umbel.app.application import Umbel
from umbel.app.execution import date_done
from umbel.app.following import Error, Follower
from umbel.app.request import Context
from umbel.app.trouble import one_line
from umbel.core import following, states
from umbel.core.delivery import Disposition
from umbel.core.errors import BackendError, BackendStoreError, UmbelError
from umbel.core.joining import Closing, Joined, Part, Step
from umbel.core.message import Message
from umbel.core.outcome import After, Failure, Lost, Outcome, Revoked, Unread, Unregistered
from umbel.core.record import Record
from umbel.core.settle import Decision
from umbel.core.signature import Signature
from umbel.result.base import Joins
from umbel.runtime.aside import on_thread
from umbel.wire import body, exceptions

T = TypeVar("T")
logger = logging.getLogger("umbel.worker")
ENDED_OUTSIDE = (Failure, Revoked, Lost, Unregistered)
"""Outcomes that need not come from the task's own code: then nobody has looked yet at who waits for it."""


class Share:
    """What a settlement does for others.

    ``records``, ``first`` and ``then`` are for a store on another server: what is written and which steps are taken
    before the settlement, and which after it. ``joined`` are the joins that the former completed. ``unread`` must be
    read before any of it.
    """

    __slots__ = ("disposition", "first", "joined", "records", "steps", "then", "unread")

    def __init__(self, decision: Decision, disposition: Disposition) -> None:
        self.disposition = disposition
        self.steps: Sequence[Step] = decision.steps
        self.records: Sequence[Record] = ()
        self.first: Sequence[Step] = ()
        self.then: Sequence[Step] = ()
        self.joined: tuple[Joined, ...] = ()
        self.unread: Sequence[Unread] = decision.unread

    def bodies(self) -> dict[str, Signature | None]:
        """Of the joins that it may complete, by group."""
        return {step.group: step.body for step in self.steps if isinstance(step, Part)}


class Joiner:
    """Knows the store of one app. Safe to use from the lane and from the I/O thread."""

    def __init__(self, app: Umbel) -> None:
        self._app = app
        self._store = app.store
        self.joins: Joins | None = app.connections.joins
        self._shared = False

    @property
    def shared(self) -> bool:
        """Whether the broker does for the result store what a settlement asks of it. It may be found out late."""
        if not self._shared and self._store is not None:
            self._shared = self._app.broker.shares_server(self._store)
        return self._shared

    def share(self, decision: Decision) -> tuple[Share, tuple[Any, ...]]:
        """What a decision does for others, and as much of it as the broker does itself."""
        share = Share(decision, decision.disposition)
        steps, store = decision.steps, self._store
        if self.joins is None or store is None:
            if steps:
                logger.error("A chord cannot go on: its results need a store that can join; set result_backend")
            steps = ()
        elif self.shared:
            join = self.joins.compile
            if not decision.records and len(steps) == 1:
                return share, (join(steps[0]),)
            return share, (*map(store.compile, decision.records), *map(join, steps))
        if store is not None:
            share.records = decision.records
        share.first = [step for step in steps if not isinstance(step, Closing)]
        share.then = [step for step in steps if isinstance(step, Closing)]
        return share, ()

    async def read(self, share: Share) -> tuple[Any, ...]:
        """Find out whom else the share concerns, and return what the broker does for them.

        Raises ``BackendStoreError``; may be repeated.
        """
        after = await self._read(share.unread)
        share.unread = ()
        more, ops = self.share(Decision(share.disposition, records=tuple(after.records), steps=tuple(after.steps)))
        share.steps = [*share.steps, *more.steps]
        share.records, share.first = [*share.records, *more.records], [*share.first, *more.first]
        return ops

    async def _read(self, unread: Sequence[Unread]) -> After:
        """What comes of others that will never run, block by block."""
        after, store, left = After(), self._store, list(unread)
        while store is not None and left:
            one = left.pop()
            try:
                record = (await store.read([one.block], sure=True)).get(one.block)
            except BackendError as error:
                raise BackendStoreError(f"the rest of a chain cannot be read: {error}") from error
            if record is None:
                logger.warning("Who waits behind %s cannot be told: the rest of its chain is gone", one.block)
                continue
            found = Follower(self._app).told(one, record.result)
            left += found.unread
            after.records += found.records
            after.steps += found.steps
        return after

    async def read_after(self, after: After) -> None:
        """``read``, for what is not settled."""
        more = await self._read(after.unread)
        after.unread = []
        after.add(more)

    async def prepare(self, shares: Sequence[Share]) -> None:
        """Write and take what comes before the settlements. Raises ``BackendStoreError``; may be repeated."""
        records = [record for share in shares for record in share.records]
        if records and self._store is not None:
            await self._store.write(records)
        for share in shares:
            share.records = ()
            if share.first and self.joins is not None:
                answers = await self.joins.take(share.first)
                share.joined = tuple(answer for answer in answers if answer is not None)
                share.first = ()

    async def complete(self, share: Share) -> None:
        """Take what comes after the settlement."""
        if share.then and self.joins is not None:
            steps, share.then = share.then, ()
            await self.joins.take(steps)

    def body(self, message: Message | None, share: Share, joined: Sequence[Joined]) -> Decision:
        """The second phase: what completed joins come to, under the same disposition. User code runs here."""
        bodies = share.bodies()
        after = self.bodies(message, [(one, bodies.get(one.group)) for one in joined])
        return Decision(
            share.disposition,
            None,
            tuple(after.publish),
            records=tuple(after.records),
            steps=tuple(after.steps),
            unread=tuple(after.unread),
        )

    def bodies(self, message: Message | None, found: Sequence[tuple[Joined, Signature | None]]) -> After:
        """What complete joins with these bodies come to."""
        token = request.current.set(None if message is None else Context(message, called_directly=False))
        try:
            after, follower = After(), Follower(self._app)
            for joined, signature in found:
                if signature is not None:
                    after.add(follower.joined(joined, signature, self._error))
            return after
        finally:
            request.current.reset(token)

    def _error(self, error: BaseException) -> Error:
        return Error(states.FAILURE, error, exceptions.describe(error), None, date_done(self._app.clock))

    def ended(self, message: Message | None, outcome: Outcome, accept: frozenset[str]) -> After | None:
        """What the end of a task means that its own code did not say. Errbacks are called here."""
        if message is None or not isinstance(outcome, ENDED_OUTSIDE):
            return None
        try:
            args, kwargs, embed = body.decode(message, accept)
            if not following.is_followed(embed):
                return After()
            context = Context(message, embed, args=args, kwargs=kwargs, called_directly=False)
            token = request.current.set(context)
            try:
                return Follower(self._app).failed(context, _error_of(outcome.record))
            finally:
                request.current.reset(token)
        except Exception as error:
            logger.exception("Who waits for %s cannot be told: %s", message.headers.id, one_line(error))
            return After()


async def beside(function: Callable[..., T], *arguments: Any) -> T | None:
    """The value of user code, called beside the loop that waits for it; None if it raised, which is logged."""
    try:
        return await on_thread(partial(function, *arguments))
    except Exception:
        logger.exception("%r met an error in Umbel itself", function)
        return None


def _error_of(record: Record) -> Error:
    try:
        exception = exceptions.rebuild(record.result)
    except UmbelError as error:
        exception = error
    return Error(record.status, exception, record.result, record.traceback, record.date_done or "")
