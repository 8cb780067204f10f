"""What follows a task: the messages, records and joins that its end comes to. Sends and stores nothing itself.

``core.following`` and ``core.unfolding`` say what follows; this builds it, which is user code's business (routes,
signals, serializers, errbacks), so it runs where user code may. Everything leaves with the settlement of the task.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from umbel.app import request
from umbel.app.calling import keep, prepare
from umbel.app.errbacks import Errbacks, stand_in
from umbel.app.trouble import one_line
from umbel.core import following, resting, states
from umbel.core.errors import ChordError, UmbelError
from umbel.core.following import Ending, ids_after
from umbel.core.joining import Arrived, Closing, Joined, Part, Step
from umbel.core.message import Embed
from umbel.core.outcome import After, Unread
from umbel.core.record import Record
from umbel.core.signature import Signature, group_of, kind
from umbel.core.unfolding import Result, unfold
from umbel.wire import exceptions, parts

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.app.request import Context

logger = logging.getLogger("umbel.worker")


class Error(msgspec.Struct):
    """How a task ended that did not succeed: in which state, its exception, and as a record says it.

    ``silent``: no state is stored, so the rest of a chain has none either (``Ignore``, ``Reject``); joins hear of it.
    """

    state: str
    exception: BaseException
    described: Any
    traceback: str | None
    date_done: str
    silent: bool = False


class Child:
    """A result of a call that follows, as ``request.children`` holds them."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self.id = result[0][0]

    def as_tuple(self) -> Result:
        """The result tuple."""
        return self._result


class Follower:
    """Builds what follows, for one app."""

    def __init__(self, app: "Umbel") -> None:
        self._app = app
        self._errbacks = Errbacks(app)

    def succeeded(self, context: "Context", value: Any, data: Any) -> After:
        """After a task that returned ``value``, which is ``data`` as a part of a join.

        Raises what building a call raises. The results of what it calls become its children.
        """
        embed, after = context.embed, After()
        if embed.chain or embed.callbacks:
            self._call_next(after, context, value)
        if embed.chord:
            headers = context.message.headers if context.message is not None else None
            if headers is not None and headers.group:
                place, kept = (headers.group, headers.id, headers.group_index), resting.is_kept(embed.chord)
                after.steps.append(Part(*place, states.SUCCESS, data, embed.chord, kept))
        return after

    def _call_next(self, after: After, context: "Context", value: Any) -> None:
        children, embed = [], _whole(context)
        if embed is not context.embed:
            block = Record(resting.READ, embed.chain, None, [], None, resting.block_of(context.chain) or "")
            after.records.append(block)  # from now on a message has it
        for call in following.next_calls(embed, value):
            options: dict[str, Any] = {"parent_id": context.id, "root_id": context.root_id or context.id}
            if call.chain is not None:
                options["chain"] = call.chain
            result = self._unfold(after, call.signature, call.args, options, ids_after(context.id, call.place))
            if result is not None:
                children.append(Child(result))
        context.children += children  # not one by one: a task that cannot make all of its calls makes none

    def failed(self, context: "Context", error: Error) -> After:
        """After a task that failed, was revoked, or will never end: whoever waits for it hears of it."""
        embed = _whole(context)
        after = After(steps=_parts([_ending(context)], error.state, error.described))
        self._end(after, following.endings_of_chain(embed.chain), error)
        if embed.errbacks and error.state == states.FAILURE and not error.silent:
            self._call_errbacks(after, context, embed.errbacks, error)
        return after

    def joined(self, joined: Joined, body: Signature, error_of: Callable[[BaseException], Error]) -> After:
        """After the last part of a join: its body, or the failure of its body. It closes the join."""
        after = After()
        if resting.is_kept(body):
            kept = parts.decode_body(joined.body) if joined.parts else None
            if kept is None:
                return self._lost(joined.group, body, error_of)
            body = kept
        try:
            found = parts.arrange(joined, self._app.connections.accept_results)
            guilty = following.culprit(found)
            if guilty is None:
                self._call_body(after, joined.group, body, following.values(found))
                after.steps.append(Closing(joined.group))
                return after
            error, failures = _dependency(guilty), following.failures(found)
        except Exception as exc:  # noqa: BLE001  the arguments of the body, or user code
            error, failures = ChordError(f"Callback error: {exc!r}"), 0
            error.__cause__ = exc
        logger.error("Chord %s: %s", joined.group, one_line(error))
        after = After(steps=[Closing(joined.group, failures)])
        if kind(body) == "group" and error.__cause__ is not None:
            self._fail_body(
                after, body, error_of(error.__cause__)
            )  # Celery's members of a body fail with what happened
        else:
            self._fail_body(after, body, error_of(error))
        return after

    def _lost(self, group: str, body: Signature, error_of: Callable[[BaseException], Error]) -> After:
        error = ChordError(f"The body of chord {group} was kept with its results, and is not there any more")
        logger.error("Chord %s: %s", group, one_line(error))
        after = After()
        self._fail_body(after, body, error_of(error))
        return after

    def told(self, unread: Unread, links: Sequence[Signature]) -> After:
        """After a failure before ``links``, which were read only now. Calls no user code."""
        after, why = After(), unread
        error = Error(why.state, ChordError(), why.described, why.traceback, why.date_done, why.silent)
        self._end(after, following.endings_of_chain(links), error)
        return after

    def never_called(self, body: Signature, error: Error) -> After:
        """After the failure of a body that is not called."""
        after = After()
        self._fail_body(after, body, error)
        return after

    # Calls ------------------------------------------------------------------------------------------------------------

    def _unfold(
        self,
        after: After,
        signature: Signature,
        args: Sequence[Any],
        options: Mapping[str, Any],
        new_id: Callable[[], str],
    ) -> Result | None:
        """Add what a call comes to, and return its result tuple."""
        unfolded = unfold(signature, args, options=options, new_id=new_id, keep=keep(self._app))
        for call in unfolded.calls:
            after.publish += prepare(self._app, call)
        after.steps += unfolded.openings
        after.records += unfolded.rests
        return unfolded.result

    def _call_body(self, after: After, group: str, body: Signature, value: list[Any]) -> None:
        context = request.current.get()
        given = {} if context is None else {"parent_id": context.id, "root_id": context.root_id}
        self._unfold(after, body, (value,), given, ids_after(group, "body"))

    # Failures ---------------------------------------------------------------------------------------------------------

    def _fail_body(self, after: After, body: Signature, error: Error) -> None:
        self._end(after, following.endings(body), error)
        for task_id, errbacks in following.reporters(body):
            if errbacks:
                self._call_errbacks(after, stand_in(body, task_id, errbacks), errbacks, error)

    def _end(self, after: After, ends: Iterable[Ending], error: Error) -> None:
        """Add the records and parts of tasks that will never run."""
        ends = list(ends)
        after.steps += _parts(ends, error.state, error.described)
        unread = [end.block for end in ends if end.block]
        after.unread += [
            Unread(block, error.state, error.described, error.traceback, error.date_done, error.silent)
            for block in unread
        ]
        if self._app.store is not None and not error.silent:
            after.records += [_record(end, error) for end in ends if end.task_id]

    def _call_errbacks(self, after: After, context: "Context", errbacks: Sequence[Signature], error: Error) -> None:
        """Those that take more than the failed task's id are called here, the others published."""
        left = self._errbacks.call(context, errbacks, error.exception, error.traceback)
        if not left:
            return
        task_id = context.id or ""
        options = {"parent_id": task_id, "root_id": context.root_id or task_id}
        unfolded = unfold(group_of(left), (task_id,), options=options, new_id=ids_after(task_id, "errbacks"))
        after.steps += unfolded.openings
        for call in unfolded.calls:
            try:
                after.publish += prepare(self._app, call)
            except Exception as raised:
                told = one_line(raised)
                logger.exception("Errback %r of %s[%s] cannot be called: %s", call.task, context.task, task_id, told)


def _whole(context: "Context") -> Embed:
    """What follows the task, with the block of it that the message only names."""
    return context.embed if context.rest is None else msgspec.structs.replace(context.embed, chain=context.rest)


def _parts(ends: Iterable[Ending], state: str, result: Any) -> list[Step]:
    """The parts of those that a join waits for."""
    return [
        Part(end.group, end.task_id, end.index, state, result, end.chord, resting.is_kept(end.chord))
        for end in ends
        if end.chord and end.group and end.task_id
    ]


def _record(end: Ending, error: Error) -> Record:
    record = Record(error.state, error.described, error.traceback, [], error.date_done, end.task_id or "")
    if end.group is not None:
        record.group_id = end.group
    return record


def _ending(context: "Context") -> Ending:
    return Ending(context.id, context.group, context.group_index, context.embed.chord)


def _dependency(part: Arrived) -> ChordError:
    """What Celery says of a header that has a failed member."""
    try:
        cause = exceptions.rebuild(part.result)
    except UmbelError as exc:  # a description that is none
        cause = exc
    error = ChordError(f"Dependency {part.task_id} raised {cause!r}")
    error.__cause__ = cause
    return error
