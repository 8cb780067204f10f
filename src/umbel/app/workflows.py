"""``app.workflows``: chains, groups and chords as one thing, to look at, to cancel, and to go on with after a failure.

What is known of one comes from the result store: its structure, which the caller kept there (``app.structure``), the
records of its tasks, and its joins. Every verb has a twin for coroutines, with an ``a`` in front.
"""

from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from umbel.app import coroutine
from umbel.app.calling import joins, prepare
from umbel.app.control import Signal, marks_of
from umbel.app.identity import family_of
from umbel.app.rests import Rests
from umbel.app.results import NO_STORE
from umbel.broker.base import Admin
from umbel.core import states
from umbel.core.delivery import DeadLetter
from umbel.core.errors import UmbelError
from umbel.core.joining import Part, Step
from umbel.core.mending import Letter, Mending, mend, unexplained, unfinished
from umbel.core.message import Embed
from umbel.core.record import Record
from umbel.core.revoking import by_root
from umbel.core.tree import Phase, Tree, children_of, ids_of, together, tree_of, tree_of_result
from umbel.core.workflow import Brief, Play, Workflow, ends_of, play
from umbel.result.base import CanList, Store
from umbel.wire import body as wire_body
from umbel.wire import parts
from umbel.wire import workflows as wire

if TYPE_CHECKING:
    from umbel.app.application import Umbel

T = TypeVar("T")
MOST_LETTERS = 1_000_000
AT_ONCE = 500
"""Letters, marks and ids that one step in the broker is about."""


class Listed(msgspec.Struct):
    """One workflow of a list. ``at``: when it was called (wall seconds); ``size``: how many tasks it has."""

    id: str
    name: str
    at: float
    size: int
    phase: Phase


class Cancelled(msgspec.Struct):
    """What ``revoke`` did: the tasks that had not ended, and will not run."""

    id: str
    revoked: list[str]


class Retried(msgspec.Struct):
    """What ``retry`` did: the tasks that run again, and those that failed and cannot.

    ``kept`` is how many had succeeded and are not run again.
    """

    id: str
    again: list[str]
    hopeless: list[str]
    kept: int


class _Known(msgspec.Struct):
    """What is known of a workflow. Without ``workflow``, its structure was not kept; ``result`` is its result tuple."""

    result: Any
    workflow: Workflow | None
    play: Play
    records: dict[str, Record]

    @property
    def status(self) -> dict[str, str]:
        """The states of its tasks."""
        return {id: record.status for id, record in self.records.items()}


class Workflows:
    """The workflows of one application.

    An id may be that of any task in it. Raises ``NotImplementedError`` where results are not stored, ``KeyError`` for
    an id of which nothing is known, and what the store and the broker raise.
    """

    def __init__(self, app: "Umbel") -> None:
        self._app = app
        self.not_before: float | None = None
        """Until when no structure is kept, because the store could not be reached (monotonic seconds)."""

    # Looking ----------------------------------------------------------------------------------------------------------

    async def alist(self, limit: int = 100) -> list[Listed]:
        """The workflows that were called last, the newest first."""
        store = self._store()
        if not isinstance(store, CanList):
            raise NotImplementedError(f"the result store {type(store).__name__} keeps no list of workflows")
        keys = await store.catalogue.newest(limit)
        found = await store.read([wire.brief_key(key) for key in keys])
        briefs = {
            key: brief for key in keys if isinstance(brief := wire.brief_of(found.get(wire.brief_key(key))), Brief)
        }
        ends = {key: brief.ends for key, brief in briefs.items()}
        long = [key for key, brief in briefs.items() if not brief.is_complete]
        plans = await store.read([wire.plan_key(key) for key in long]) if long else {}
        for key in long:
            if (record := plans.get(wire.plan_key(key))) is not None:
                ends[key] = ends_of(wire.decode(record.result).result)
        records = await store.read([id for some in ends.values() for id in some])
        return [
            Listed(brief.id, brief.name, brief.at, brief.size, _phase(records, ends[key]))
            for key, brief in briefs.items()
        ]

    def latest(self, limit: int = 100) -> list[Listed]:
        """The workflows that were called last, the newest first."""
        return self._run(self.alist(limit))

    def __iter__(self) -> Iterator[Listed]:
        """The hundred that were called last, the newest first."""
        return iter(self.latest())

    async def ashow(self, id: str, *, result: Any = None) -> Tree:
        """The whole workflow that this task, or this group, belongs to.

        ``result`` is its result tuple if the caller has it, for workflows whose structure is not kept.
        """
        known = await self._known(id, result)
        if known.workflow is None:
            return tree_of_result(known.result, known.records)
        open_joins = self._app.connections.joins
        found = {} if open_joins is None else await open_joins.standings(list(known.play.joins))
        return tree_of(known.workflow, known.play, known.records, found)

    def show(self, id: str, *, result: Any = None) -> Tree:
        """The whole workflow that this task, or this group, belongs to. See ``ashow``."""
        return self._run(self.ashow(id, result=result))

    # Changing ---------------------------------------------------------------------------------------------------------

    async def arevoke(self, id: str, *, terminate: bool = False, signal: Signal = None) -> Cancelled:
        """Have nothing of it run that has not ended, also what its running tasks call later.

        ``terminate`` ends what runs; otherwise that ends by itself, and nothing follows it. Marks stay for
        ``worker_revoke_expires`` (three hours) from when the last of it is due.
        """
        known = await self._known(id, None)
        status, steps = known.status, known.play.steps
        wanted = [*unfinished(known.play, status), *(one for one in known.records if one not in steps)]
        wanted = [one for one in wanted if status.get(one) not in states.READY_STATES]
        if wanted:
            texts = [*wanted, *map(by_root, self._roots(known, wanted))]
            due = known.play.last_due((one for one in wanted if one in steps), self._app.clock.now())
            await self._app.connections.revoke(marks_of(texts, terminate=terminate, signal=signal), due=due)
        return Cancelled(_id_of(known), wanted)

    def revoke(self, id: str, *, terminate: bool = False, signal: Signal = None) -> Cancelled:
        """Have nothing of it run that has not ended, also what its running tasks call later. See ``arevoke``."""
        return self._run(self.arevoke(id, terminate=terminate, signal=signal))

    async def aretry(self, id: str) -> Retried:
        """Run again what failed, was lost or revoked, and only that; what follows from it follows.

        What succeeded is kept: a chord's body gets the values of those members, too. Results that have failed are
        pending again, so that ``get()`` waits for the new end.
        """
        known = await self._known(id, None)
        async with self._app.connections.keeper() as keeper:
            letters = await self._letters(keeper, known)
            ids = [one.task_id for one in letters]
            known.records |= await self._store().read([one for one in ids if one not in known.records])
            whole = known.workflow is not None and known.workflow.whole
            mending = mend(known.play, known.status, letters, whole=whole)
            known.records |= await self._store().read([one for one in mending.reset if one not in known.records])
            messages = [message for call in mending.call for message in prepare(self._app, call)]
            await self._take_back(keeper, known, mending)
            for batch in _batches(mending.revive):
                await keeper.revive(batch)
        if messages:
            try:
                await self._app.client.apublish(messages)
            except UmbelError:
                failed = [call.options["task_id"] for call in mending.call]
                await self._store().write([known.records[one] for one in failed])
                raise
        kept = sum(state == states.SUCCESS for state in known.status.values())
        return Retried(_id_of(known), mending.again, mending.hopeless, kept)

    def retry(self, id: str) -> Retried:
        """Run again what failed, was lost or revoked, and only that; what follows from it follows. See ``aretry``."""
        return self._run(self.aretry(id))

    # Inside -----------------------------------------------------------------------------------------------------------

    def _store(self) -> Store:
        store = self._app.store
        if store is None:
            raise NotImplementedError(NO_STORE)
        return store

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        async def alone() -> T:
            try:
                return await work
            finally:
                if (store := self._app.store) is not None:
                    await store.close()  # what it opened for the loop that ends here

        return coroutine.run(alone())

    async def _known(self, id: str, result: Any) -> _Known:
        """Everything there is to know. One read finds the structure, one reads all records; then a read per level of
        what tasks called of their own accord.
        """
        workflow, top, records = await self._find(id)
        if workflow is None:
            result = result or [[top, None], None]
            if top != id and top not in set(ids_of(result)):
                result = [[top, None], None]
            known = _Known(result, None, Play(), records)
            await self._read(known, ids_of(result))
            if not known.records:
                raise KeyError(f"nothing is known of {id!r}: it has expired, or nothing of it has ended yet")
            return known
        known = _Known(workflow.result, workflow, play(workflow, {}), {})
        await self._read(known, known.play.steps)
        values = {one: record.result for one, record in known.records.items() if record.status == states.SUCCESS}
        known.play = play(workflow, values)
        return known

    async def _find(self, id: str) -> tuple[Workflow | None, str, dict[str, Record]]:
        """The structure of what a task belongs to, or the task at its top and what is known of it."""
        store, records = self._store(), dict[str, Record]()
        top = id
        while True:
            key = family_of(top)
            found = await store.read([top, wire.brief_key(key), wire.plan_key(key)])
            brief, plan = wire.brief_of(found.get(wire.brief_key(key))), found.get(wire.plan_key(key))
            if isinstance(brief, str):
                plan = (await store.read([wire.plan_key(brief)])).get(wire.plan_key(brief))
            if plan is not None:
                return wire.decode(plan.result), top, {}
            record = found.get(top)
            if record is not None:
                records[top] = record
            parent = record.parent_id if record is not None else None
            if not isinstance(parent, str) or not parent or parent in records:
                return None, top, records
            top = parent

    async def _read(self, known: _Known, ids: Iterable[str]) -> None:
        """The records of these tasks, of what they called, and so on."""
        asked = set(known.records)
        wanted = [*dict.fromkeys(one for one in ids if one not in asked)]
        wanted += [child for record in known.records.values() for child in _children(record) if child not in asked]
        while wanted:
            asked.update(wanted)
            found = await self._store().read(wanted)
            known.records |= found
            called = (child for record in found.values() for child in _children(record))
            wanted = [one for one in dict.fromkeys(called) if one not in asked]

    def _roots(self, known: _Known, wanted: Sequence[str]) -> list[str]:
        """The roots by which what is not known yet is found: not those of a task around the workflow."""
        if known.workflow is not None and known.workflow.root_id is not None:
            return []
        planned = [one for one in wanted if one in known.play.steps]
        others = [_id_of(known)] if len(planned) < len(wanted) else []
        return sorted({*known.play.roots(planned), *others})

    async def _letters(self, keeper: Admin, known: _Known) -> list[Letter]:
        """The dead letters of its tasks; where those do not explain a failure, also of what only letters tell of."""
        ids = [*dict.fromkeys([*known.play.steps, *known.records])]
        found = [one for batch in _batches(ids) for one in await keeper.dead(ids=batch, limit=MOST_LETTERS)]
        letters = await self._read_letters(found)
        if known.workflow is not None and not unexplained(known.play, known.status, letters):
            return letters
        mine = set(ids)
        roots = {step.root_id for step in known.play.steps.values()} | mine
        others = [
            one
            for one in await keeper.dead(limit=MOST_LETTERS)
            if one.message is not None and one.message.headers.root_id in roots
        ]
        return await self._read_letters(others)

    async def _read_letters(self, found: Iterable[DeadLetter]) -> list[Letter]:
        letters, rests = [], Rests(self._store(), self._app.connections.joins)
        for one in found:
            if one.message is None:
                continue
            headers = one.message.headers
            try:
                _, _, embed = wire_body.decode(one.message, self._app.accept_content)
            except (UmbelError, ValueError):
                embed = Embed()
            letters.append(Letter(one.id, headers.id, headers.group, await rests.embed(embed, headers.group)))
        return letters

    async def _take_back(self, keeper: Admin, known: _Known, mending: Mending) -> None:
        """What failed is pending again, and no more revoked; joins wait again."""
        if mending.reopen:
            await joins(self._app).take(await self._steps(known, mending))
        if mending.again:
            _, marks = await keeper.revoked()
            texts = [*mending.again, *mending.reset, *known.play.following(mending.again)]
            texts += map(by_root, self._roots(known, mending.again))
            if lifted := [text for text in dict.fromkeys(texts) if text in marks]:
                for batch in _batches(lifted):
                    await keeper.pardon(batch)
        if mending.reset:
            await self._store().write([Record(states.PENDING, None, None, None, None, one) for one in mending.reset])

    async def _steps(self, known: _Known, mending: Mending) -> list[Step]:
        """Joins opened again, with the parts that they have lost, and those that will not come."""
        store = joins(self._app)
        standings = await store.standings([step.group for step in mending.reopen])
        steps: list[Step] = [*mending.reopen]
        reset = {*mending.reset, *mending.again}
        for opened in mending.reopen:
            join = known.play.joins.get(opened.group)
            if join is None:
                continue
            standing = standings.get(opened.group)
            has = 0 if standing is None else standing.arrived - standing.failed
            ended = [one for one in join.members if one in known.records and one not in reset]
            good = [one for one in ended if known.records[one].status == states.SUCCESS]
            bad = [one for one in ended if known.records[one].status in states.PROPAGATE_STATES]
            for one in [*(good if has < len(good) else ()), *bad]:
                record, place = known.records[one], known.play.steps[one].parts
                index = place[1] if place is not None else None
                result = record.result
                if record.status == states.SUCCESS:
                    result = parts.carried(result, self._app.conf.result_serializer)
                steps.append(Part(opened.group, one, index, record.status, result, join.body))
        return steps


def _id_of(known: _Known) -> str:
    head = known.result[0]
    return str(head[0] if isinstance(head, list | tuple) else head)


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))


def _children(record: Record) -> Iterator[str]:
    for child in children_of(record):
        yield from ids_of(child)


def _phase(records: Mapping[str, Record], ends: Sequence[str]) -> Phase:
    """How far a workflow is, by its ends."""
    named: dict[str, Phase] = {states.SUCCESS: "succeeded", states.FAILURE: "failed", states.REVOKED: "revoked"}
    found = [named.get(records[end].status, "running") if end in records else "running" for end in ends]
    return together(found)
