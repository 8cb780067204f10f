"""Handles on results: what became of one call. Reads the result store; never the broker, except to say who is missing.

Every reading method has an async twin with the prefix ``a``, and ``await result`` is ``await result.aget()``.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import msgspec

from umbel.app import again, ambient, remote, waiting
from umbel.app.dependencies import DependencyGraph
from umbel.core import states
from umbel.core.errors import ImproperlyConfigured, IncompleteStream, TimeoutError
from umbel.core.record import Record

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.core.tree import Tree
    from umbel.result.base import Store

R = TypeVar("R")

NO_STORE = "No result backend is configured, so no results are kept: pass backend= to Umbel(...), or set result_backend"


class AsyncResult(Generic[R]):
    """The handle on one call, by task id. Compares equal to other handles on it, and to the id."""

    TimeoutError = TimeoutError
    supports_native_join = True
    """Celery's name: many are read at once."""

    def __init__(
        self,
        id: str,
        backend: "Store | None" = None,
        task_name: str | None = None,
        app: "Umbel | None" = None,
        parent: Any = None,
        *,
        queue: str | None = None,
        ignored: bool = False,
    ) -> None:
        if id is None:
            raise ValueError("a result needs the id of its task, not None")
        self.id = id
        self.parent: Any = parent  # an AsyncResult or a GroupResult, if anything ran before
        self.ignored = ignored
        self.sent_to = queue
        self._app = app
        self._store: Store | None = getattr(backend, "umbel_store", backend)  # a backend in Celery's shape has one
        self._record: Record | None = None
        self._name = task_name
        self._callbacks: list[tuple[Callable[[Any], Any], Callable[[BaseException], Any] | None]] = []

    @property
    def app(self) -> "Umbel":
        """The app through which results are read."""
        if self._app is None:
            self._app = ambient.get_current_app()
        return self._app

    @property
    def task_id(self) -> str:
        """The id."""
        return self.id

    @property
    def backend(self) -> "Store":
        """The store that is read. Raises ``NotImplementedError`` where results are not configured."""
        store = self._store or self.app.store
        if store is None:
            raise NotImplementedError(NO_STORE)
        return store

    # Reading ----------------------------------------------------------------------------------------------------------

    def _look(self) -> Record:
        if self._record is None:
            again.ask(self.app, self.fetch)
        return self._seen

    async def _alook(self) -> Record:
        if self._record is None:
            await again.aask(self.app, self.afetch)
        return self._seen

    def fetch(self, timeout: float | None = None) -> Record:
        """Read what is stored, unless the end was seen, within ``timeout`` seconds."""
        if self._record is None:
            self.learn(self.backend.sync.read([self.id], timeout).get(self.id))
        return self._seen

    async def afetch(self, timeout: float | None = None) -> Record:
        """``fetch``, for coroutines."""
        if self._record is None:
            self.learn((await self.backend.read([self.id], timeout)).get(self.id))
        return self._seen

    def learn(self, record: Record | None) -> None:
        """Take in what a store said: an end is kept for good, anything else is what was seen last."""
        self._seen = record or Record(states.PENDING, task_id=self.id)
        if self._seen.status in states.READY_STATES:
            self._record = self._seen
            callbacks, self._callbacks = self._callbacks, []
            for callback, on_error in callbacks:
                self._call_back(callback, on_error)

    _seen: Record = Record(states.PENDING)
    _rebuilt: tuple[Record | None, Any] = None, None

    @property
    def ended(self) -> bool:
        """Whether this handle has seen the end."""
        return self._record is not None

    @property
    def seen_state(self) -> str:
        """The state when it was read last, without reading."""
        return self._seen.status

    @property
    def seen_value(self) -> Any:
        """The result when it was read last, without reading: one object, however often it is asked for."""
        if self._rebuilt[0] is not self._seen:
            self._rebuilt = self._seen, remote.value_of(self._seen)
        return self._rebuilt[1]

    def seen_record(self) -> dict[str, Any]:
        """What was read last, as Celery has it: ``status``, ``result``, ``traceback``, ``children``, …."""
        return cast("dict[str, Any]", msgspec.to_builtins(self._seen, enc_hook=repr))

    def throw_if_failed(self) -> None:
        """Raise what the task raised, if this handle has seen it, without reading."""
        if self._seen.status in states.PROPAGATE_STATES:
            as_frames = self.app.conf.task_remote_tracebacks
            raise remote.with_traceback(self.seen_value, self._seen.traceback, as_frames=as_frames)

    def forgotten(self) -> str:
        """Forget what was read, and return the id."""
        self._record = None
        self._seen = Record(states.PENDING, task_id=self.id)
        return self.id

    @property
    def state(self) -> str:
        """The state (``umbel.states``): PENDING where nothing is known."""
        return self._look().status

    status = state

    async def astate(self) -> str:
        """``state``, for coroutines."""
        return (await self._alook()).status

    @property
    def result(self) -> Any:
        """The value returned, the exception raised, or what ``update_state`` stored."""
        self._look()
        return self.seen_value

    info = result

    @property
    def traceback(self) -> str | None:
        """The traceback as text, if it failed."""
        return self._look().traceback

    def ready(self) -> bool:
        """Whether it has ended."""
        return self.state in states.READY_STATES

    async def aready(self) -> bool:
        """``ready``, for coroutines."""
        return await self.astate() in states.READY_STATES

    def successful(self) -> bool:
        """Whether it returned."""
        return self.state == states.SUCCESS

    def failed(self) -> bool:
        """Whether it raised."""
        return self.state == states.FAILURE

    def exists(self) -> bool:
        """Whether anything is stored about it: an unknown id is PENDING as well."""
        return self._record is not None or bool(self.backend.sync.read([self.id]))

    # Waiting ----------------------------------------------------------------------------------------------------------

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = 0.5,
        no_ack: bool = True,
        follow_parents: bool = True,
        callback: Callable[[str, Any], Any] | None = None,
        on_message: Callable[[dict[str, Any]], Any] | None = None,
        on_interval: Callable[[], Any] | None = None,
        disable_sync_subtasks: bool = True,
    ) -> R:
        """Wait for the end, and return the value or raise what the task raised (``propagate``).

        ``timeout`` in seconds raises ``TimeoutError``; the task goes on. ``on_interval`` is called about every
        ``interval`` seconds, ``on_message`` with every state that is seen, ``callback`` with id and value. ``no_ack``
        has no meaning here. Raises ``RuntimeError`` inside a task, unless ``disable_sync_subtasks=False``.
        """
        if self.ignored:
            return cast(R, None)
        waiting.check_may_wait(disable_sync_subtasks)
        wait = waiting.Waiting(self, timeout, interval, on_message, on_interval)
        if follow_parents and propagate:
            for node in reversed(list(self._parents())):
                wait.ask(node.fetch)
                node.throw_if_failed()
        while not wait.done(wait.ask(self.fetch)):
            again.ask(self.app, lambda: self.backend.sync.wait([self.id], wait.slice()), wait.deadline)
            wait.passed()
        return self._end(propagate, callback)

    wait = get

    async def aget(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        *,
        disable_sync_subtasks: bool = True,
    ) -> R:
        """``get``, for coroutines."""
        if self.ignored:
            return cast(R, None)
        waiting.check_may_wait(disable_sync_subtasks)
        wait = waiting.Waiting(self, timeout, 0.5, None, None)
        while not wait.done(await wait.aask(self.afetch)):
            await again.aask(self.app, lambda: self.backend.wait([self.id], wait.slice()), wait.deadline)
            await wait.apassed()
        return self._end(propagate, None)

    def __await__(self) -> Generator[Any, None, R]:
        return self.aget().__await__()

    def _end(self, propagate: bool, callback: Callable[[str, Any], Any] | None) -> R:
        self.maybe_throw(propagate, callback)
        return cast(R, self.result)

    def maybe_throw(self, propagate: bool = True, callback: Callable[[str, Any], Any] | None = None) -> Any:
        """Raise what the task raised, if it did; else return its value as far as it is known."""
        self._look()
        if propagate:
            self.throw_if_failed()
        if callback is not None:
            callback(self.id, self.seen_value)
        return self.seen_value

    maybe_reraise = maybe_throw

    def throw(self, error: BaseException | type[BaseException]) -> None:
        """Raise ``error`` here."""
        raise error

    def then(
        self,
        callback: "Callable[[AsyncResult[R]], Any]",
        on_error: Callable[[BaseException], Any] | None = None,
        weak: bool = False,
    ) -> "AsyncResult[R]":
        """Call ``callback(self)`` once this handle sees the end: now, or in a later ``get()`` or ``ready()``.

        ``on_error`` is given what the callback raises.
        """
        if self._record is not None:
            self._call_back(callback, on_error)
        else:
            self._callbacks.append((callback, on_error))
        return self

    def _call_back(self, callback: Callable[[Any], Any], on_error: Callable[[BaseException], Any] | None) -> None:
        try:
            callback(self)
        except Exception as error:
            if on_error is None:
                raise
            on_error(error)

    def _parents(self) -> "Iterator[AsyncResult[Any]]":
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    # Acting -----------------------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Delete the stored result, and those of its parents."""
        self.backend.sync.forget(self._all_forgotten())

    async def aforget(self) -> None:
        """``forget``, for coroutines."""
        await self.backend.forget(self._all_forgotten())

    def _all_forgotten(self) -> list[str]:
        return [one.forgotten() for node in (self, *self._parents()) for one in node.leaves()]

    def leaves(self) -> "Iterator[AsyncResult[Any]]":
        """This one: a handle on several has more."""
        yield self

    def revoke(
        self,
        terminate: bool = False,
        signal: str | None = None,
        wait: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Mark the task in the broker so that no worker starts it; ``terminate`` ends it where it runs already.

        ``signal`` names the signal that ends it (default SIGTERM). The mark is there when this returns.
        """
        if wait or timeout is not None:
            raise ImproperlyConfigured(
                "revoke(wait=..., timeout=...): replies of workers are not built yet; leave it out"
            )
        self.app.control.revoke(self.id, terminate=terminate, signal=signal)

    async def arevoke(self, terminate: bool = False, signal: str | None = None) -> None:
        """``revoke``, for coroutines."""
        await self.app.control.arevoke(self.id, terminate=terminate, signal=signal)

    def revoke_by_stamped_headers(
        self, headers: Mapping[str, Any], terminate: bool = False, signal: str | None = None
    ) -> None:
        """``app.control.revoke_by_stamped_headers``: what carries any of these stamps, whether or not it is this."""
        self.app.control.revoke_by_stamped_headers(headers, terminate=terminate, signal=signal)

    # What else is known -----------------------------------------------------------------------------------------------

    @property
    def children(self) -> "list[AsyncResult[Any]] | None":
        """Handles on the tasks that it called, once it has ended; None before."""
        found = self._look().children
        return None if found is None else [self.app.result_from_tuple(child) for child in found]

    def iterdeps(self, intermediate: bool = False) -> "Iterator[tuple[AsyncResult[Any] | None, AsyncResult[Any]]]":
        """``(parent, node)`` for this task and all that it led to, breadth first."""
        waiting: list[tuple[AsyncResult[Any] | None, AsyncResult[Any]]] = [(None, self)]
        while waiting:
            parent, node = waiting.pop(0)
            yield parent, node
            if node.ready():
                waiting.extend((node, child) for child in node.children or [])
            elif not intermediate:
                raise IncompleteStream

    def build_graph(self, intermediate: bool = False) -> DependencyGraph:
        """This task and all that it led to. Raises ``IncompleteStream`` while one runs, unless ``intermediate``."""
        graph = DependencyGraph()
        for parent, node in self.iterdeps(intermediate=intermediate):
            graph.add_arc(node)
            if parent is not None:
                graph.add_edge(parent, node)
        return graph

    @cached_property
    def graph(self) -> DependencyGraph:
        """``build_graph()``, read once."""
        return self.build_graph()

    def tree(self) -> "Tree":
        """The whole workflow that this task belongs to: states, times, what waits for what. ``app.workflows.show``."""
        return self.app.workflows.show(self.id, result=self.as_tuple())

    async def atree(self) -> "Tree":
        """``tree``, for coroutines."""
        return await self.app.workflows.ashow(self.id, result=self.as_tuple())

    def collect(self, intermediate: bool = False, **kwargs: Any) -> "Iterator[tuple[AsyncResult[Any], Any]]":
        """``(node, value)`` for this task and all that it led to; ``kwargs`` go to ``get``."""
        self.get(**kwargs)
        for _, node in self.iterdeps(intermediate=intermediate):
            yield node, node.get(**kwargs)

    def get_leaf(self) -> Any:
        """The value of the last task that it led to."""
        value = None
        for _, node in self.iterdeps():
            value = node.get()
        return value

    @property
    def date_done(self) -> datetime | None:
        """When it ended."""
        done = self._look().date_done
        return datetime.fromisoformat(done) if done else None

    @property
    def name(self) -> str | None:
        """The task's name. This and the next five need ``result_extended``."""
        return self._extended("name") or self._name

    @property
    def args(self) -> Any:
        """The positional arguments."""
        return self._extended("args")

    @property
    def kwargs(self) -> Any:
        """The keyword arguments."""
        return self._extended("kwargs")

    @property
    def worker(self) -> str | None:
        """The node that ran it."""
        return cast("str | None", self._extended("worker"))

    @property
    def retries(self) -> int | None:
        """How often it was run again."""
        return cast("int | None", self._extended("retries"))

    @property
    def queue(self) -> str | None:
        """The queue it came from."""
        return cast("str | None", self._extended("queue"))

    def _extended(self, field: str) -> Any:
        value = getattr(self._look(), field)
        return None if value is msgspec.UNSET else value

    def as_tuple(self) -> tuple[Any, Any]:
        """``((id, parent), None)``: what ``result_from_tuple`` reads."""
        return tuple_of(self)

    def members_as_tuples(self) -> list[Any] | None:
        """A group's; a task has none."""
        return None

    def as_list(self) -> list[str]:
        """The ids of this task and its parents."""
        return [self.id, *(node.id for node in self._parents())]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, AsyncResult):
            return other.id == self.id
        return other == self.id if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.id}>"

    def __copy__(self) -> "AsyncResult[R]":
        return type(self)(self.id, self._store, self._name, self._app, self.parent, queue=self.sent_to)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.id, None, self._name, None, self.parent)


def tuple_of(result: Any) -> tuple[Any, Any]:
    """The tuple of a task or a group with all that ran before it, however much that is."""
    nodes = [result]
    while nodes[-1].parent is not None:
        nodes.append(nodes[-1].parent)
    found: Any = None
    for node in reversed(nodes):
        found = (node.id, found), node.members_as_tuples()
    return cast("tuple[Any, Any]", found)
