"""The task: a function that can be called elsewhere. Attributes, the calls, and the hooks (Celery's ``Task``).

It hands calls to the app's client and runs nothing by itself, except in ``apply``.
"""

import asyncio
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Generic, ParamSpec, TypeVar, overload

from umbel.app import ambient, canvas, eager, eager_canvas, keeping, progress, replacing, request, retrying, waiting
from umbel.app.eager import EagerResult
from umbel.app.results import AsyncResult
from umbel.app.signature import Signature
from umbel.app.stack import Requests
from umbel.core import errors
from umbel.core.errors import Retry, UmbelWarning
from umbel.core.signature import embedded

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime

    from umbel.app.application import Umbel
    from umbel.app.client import Args, Kwargs
    from umbel.app.conversion import Conversion
    from umbel.app.plan import Plan
    from umbel.app.request import Context
    from umbel.app.traits import Traits
    from umbel.app.trouble import ExceptionInfo
    from umbel.result.base import Store

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")


_OF_CELERYS_WORKER = {"Request", "Strategy"}


class _FromConf:
    """An attribute that is the setting's value until a task or its class has one of its own."""

    def __init__(self, setting: str) -> None:
        self.setting = setting

    def __get__(self, task: "Task[..., Any] | None", owner: type) -> Any:
        return self if task is None else task.app.conf[self.setting]


def from_conf(setting: str) -> Any:
    """Falls back to ``setting``."""
    return _FromConf(setting)


class Task(Requests, Generic[P, R]):
    """A task. ``@app.task`` makes one of a function; a subclass with ``run`` is one, too (``app.register_task``)."""

    name: str = ""
    typing: bool = True
    abstract: bool = True

    max_retries: int | None = 3
    default_retry_delay: float = 180.0  # seconds
    autoretry_for: tuple[type[BaseException], ...] = ()
    dont_autoretry_for: tuple[type[BaseException], ...] = ()
    retry_kwargs: Mapping[str, Any] = {}
    retry_backoff: bool | float = False
    retry_backoff_max: float = 600  # seconds
    retry_jitter: bool = True

    rate_limit: str | float | None = from_conf("task_default_rate_limit")
    ignore_result: bool = from_conf("task_ignore_result")
    store_eager_result: bool = from_conf("task_store_eager_result")
    store_errors_even_if_ignored: bool = from_conf("task_store_errors_even_if_ignored")
    serializer: str = from_conf("task_serializer")
    compression: str | None = None
    track_started: bool = from_conf("task_track_started")
    acks_late: bool = from_conf("task_acks_late")
    acks_on_failure_or_timeout: bool = from_conf("task_acks_on_failure_or_timeout")
    acks_on_failure: bool | None = from_conf("task_acks_on_failure")
    acks_on_timeout: bool | None = from_conf("task_acks_on_timeout")
    reject_on_worker_lost: bool | None = from_conf("task_reject_on_worker_lost")
    time_limit: float | None = None  # seconds; the settings' limits hold in the worker where this is None
    soft_time_limit: float | None = None
    priority: int | None = from_conf("task_default_priority")
    expires: "float | datetime | None" = None
    trail: bool = True
    send_events: bool = True
    throws: tuple[type[BaseException], ...] = ()
    resultrepr_maxsize: int = 1024

    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    delivery_mode: int | str | None = None

    MaxRetriesExceededError: ClassVar[type[errors.MaxRetriesExceededError]] = errors.MaxRetriesExceededError
    OperationalError: ClassVar[type[errors.OperationalError]] = errors.OperationalError

    conversion: "Conversion | None" = None
    """What makes arguments and results of plain data, where ``pydantic`` or ``typed`` asks for it."""
    plan: "Plan | None" = None  # kept by the client
    _app: "Umbel | None" = None
    _traits: "tuple[int, Traits] | None" = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, value in list(vars(cls).items()):
            if value is None and isinstance(getattr(Task, name, None), _FromConf):
                delattr(cls, name)  # None is "not said": the setting holds
        for name in vars(cls).keys() & _OF_CELERYS_WORKER:
            warnings.warn(
                f"{cls.__qualname__}.{name} has no effect: it is a part of Celery's own worker",
                UmbelWarning,
                stacklevel=2,
            )
        if "abstract" not in vars(cls) and "run" in vars(cls):
            cls.abstract = False

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name != "plan":
            object.__setattr__(self, "plan", None)
            object.__setattr__(self, "_traits", None)

    # Of an app --------------------------------------------------------------------------------------------------------

    @property
    def app(self) -> "Umbel":
        """The app that it belongs to; the current one, if it was registered with none."""
        return self._app or ambient.get_current_app()

    @app.setter
    def app(self, app: "Umbel") -> None:
        self._app = app

    def _get_app(self) -> "Umbel":
        return self.app  # Celery's name of it, which packages call

    def bind(self, app: "Umbel") -> None:
        """Belong to ``app``. Called when it is registered."""
        self._app = app
        self.on_bound(app)

    @classmethod
    def on_bound(cls, app: "Umbel") -> None:
        """Called when the task was bound to an app: a place for overriding."""

    @property
    def backend(self) -> "Store | None":
        """The app's result store."""
        return self.app.store

    @property
    def request(self) -> "Context":
        """The call of this task that runs here; an empty one outside of it, as where another task calls its body."""
        context = request.current.get()
        if context is None or not self._is_called(context):
            return request.Context()
        context.load_checkpoint = self._load_checkpoint
        return context

    def _is_called(self, context: "Context") -> bool:
        """Whether it is a call of this task, which may have two names; one that a test pushed is of any."""
        name = context.task
        return name is None or name == self.name or self.app.all_tasks.get(name) is self

    def _load_checkpoint(self, context: "Context") -> Any:
        return keeping.load(self.app, context)

    # Running here -----------------------------------------------------------------------------------------------------

    def run(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The task's body."""
        raise NotImplementedError("a task defines run()")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the body here and now, as a plain call. A worker calls this, too, where a subclass overrides it."""
        context = request.current.get()
        if context is not None and self._is_called(context) and eager.first_entry(context):
            return self.run(*args, **kwargs)
        token = request.push(request.Context(args=args, kwargs=kwargs, task=self.name))
        try:
            return self.run(*args, **kwargs)
        finally:
            request.pop(token)

    def apply(
        self,
        args: "Args | None" = None,
        kwargs: "Kwargs | None" = None,
        *,
        task_id: str | None = None,
        retries: int = 0,
        throw: bool | None = None,
        headers: dict[str, Any] | None = None,
        logfile: str | None = None,
        loglevel: int | None = None,
        **options: Any,
    ) -> EagerResult[R]:
        """Run it here, with hooks, signals and retries as in a worker, without a message.

        ``throw`` raises what the task raises (default: ``task_eager_propagates``).
        """
        fields = {"logfile": logfile, "loglevel": loglevel or 0, **options}
        embed = embedded(fields)
        result = eager.apply(self, *_given(args, kwargs), task_id, retries, throw, headers, fields, embed)
        return result if embed is None else eager_canvas.followed(self.app, result, embed)

    # Calling ----------------------------------------------------------------------------------------------------------

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Call it: send the message, and return the handle on the result."""
        return self.apply_async(args, kwargs)

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """``delay``, for coroutines."""
        return await self.aapply_async(args, kwargs)

    def apply_async(
        self,
        args: "Args | None" = None,
        kwargs: "Kwargs | None" = None,
        **options: Any,
    ) -> AsyncResult[R]:
        """Call it with options: ``countdown``, ``eta``, ``expires``, ``queue``, ``priority``, ``task_id``, ….

        Raises before anything is sent: ``TypeError`` for arguments that the task does not take and for unknown
        options, ``EncodeError``, ``PayloadTooLarge``. Raises ``OperationalError`` when it cannot be sent.
        """
        app = self.app
        args, kwargs = _given(args, kwargs)
        if app.conf.task_always_eager:
            return self._eagerly(args, kwargs, options)
        self._name_shadow(args, kwargs, options)
        if type(app).send_task.__module__ != "umbel.app.application":  # overridden, as Celery's applications may
            return app.send_task(self.name, args, kwargs, task_type=self, **options)
        return app.handle(app.client.call(self, args, kwargs, options), options)

    async def aapply_async(
        self,
        args: "Args | None" = None,
        kwargs: "Kwargs | None" = None,
        **options: Any,
    ) -> AsyncResult[R]:
        """``apply_async``, for coroutines."""
        app = self.app
        args, kwargs = _given(args, kwargs)
        if app.conf.task_always_eager:
            return await asyncio.to_thread(self._eagerly, args, kwargs, options)
        self._name_shadow(args, kwargs, options)
        return app.handle(await app.client.acall(self, args, kwargs, options), options)

    def _name_shadow(self, args: "Args", kwargs: "Kwargs", options: dict[str, Any]) -> None:
        if type(self).shadow_name is not Task.shadow_name and "shadow" not in options:
            options["shadow"] = self.shadow_name(args, kwargs, options)

    def _eagerly(self, args: "Args", kwargs: "Kwargs", options: dict[str, Any]) -> EagerResult[R]:
        """Run it here as ``task_always_eager`` has it: with arguments that went through the serializer."""
        self.app.client.check(self, args, kwargs, options)
        args, kwargs = eager.carried(self, args, kwargs, options.get("serializer"))
        with waiting.denied_join_result():
            return self.apply(args, kwargs, **options)

    def using(self, **options: Any) -> "Bound[P, R]":
        """Options first, typed call last: ``add.using(queue="email", countdown=30).delay(2, 2)``."""
        return Bound(self, options)

    def shadow_name(self, args: "Args", kwargs: "Kwargs", options: Mapping[str, Any]) -> str | None:
        """Another name for this call in logs and monitors: a place for overriding."""
        return None

    def AsyncResult(self, task_id: str) -> AsyncResult[R]:
        """The handle on the call with this id."""
        return AsyncResult(task_id, app=self.app, task_name=self.name)

    # Calls to be made later -------------------------------------------------------------------------------------------

    @overload
    def s(self) -> Signature[R]: ...
    @overload
    def s(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]: ...
    @overload
    def s(self: "Task[Concatenate[Any, Q], R]", *args: Q.args, **kwargs: Q.kwargs) -> Signature[R]: ...
    def s(self, *args: Any, **kwargs: Any) -> Signature[R]:
        """The call as a signature, which may get more arguments in front of these: ``add.s(2)``.

        Type checkers know it with all arguments, with all but the first (which a chain gives it), and with none.
        """
        return self.signature(args, kwargs)

    def si(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]:
        """The call as a signature with just these arguments, whatever the task before it returns."""
        return self.signature(args, kwargs, immutable=True)

    def signature(self, args: "Args | None" = None, *starargs: Any, **starkwargs: Any) -> Signature[R]:
        """The call as a signature: ``args``, ``kwargs``, ``immutable``, and options as in ``apply_async``."""
        kwargs = starargs[0] if starargs else starkwargs.pop("kwargs", None)
        return Signature(self, args, kwargs, app=self._app, **starkwargs)

    subtask = signature

    def chunks(self, it: Iterable[Any], n: int) -> canvas.chunks:
        """Calls with each of these lists of arguments, ``n`` to a message: ``add.chunks(zip(xs, ys), 10)``."""
        return canvas.chunks(self.s(), it, n, app=self._app)

    def map(self, it: Iterable[Any]) -> canvas.xmap:
        """One call that runs the task for each item."""
        return canvas.xmap(self.s(), it, app=self._app)

    def starmap(self, it: Iterable[Any]) -> canvas.xstarmap:
        """One call that runs the task for each list of arguments."""
        return canvas.xstarmap(self.s(), it, app=self._app)

    def replace(self, sig: Signature[Any]) -> Any:
        """Let ``sig`` take the place of this call: its id, its callbacks, its place in chain and chord. Ends it here.

        In a worker it raises ``Ignore``; run eagerly, it returns the value of ``sig``.
        """
        return replacing.replace(self, sig)

    def add_to_chord(self, sig: Signature[Any], lazy: bool = False) -> Any:
        """Add a member to the header of the chord that this call is in, and call it, unless ``lazy``.

        Raises ``ValueError`` where it is in none.
        """
        return replacing.add_to_chord(self, sig, lazy=lazy)

    # From inside ------------------------------------------------------------------------------------------------------

    def retry(
        self,
        args: "Args | None" = None,
        kwargs: "Kwargs | None" = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: "datetime | None" = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Retry:
        """Run this call again later, and end it here by raising ``Retry`` (``throw=False``: return it instead).

        In ``countdown`` seconds (``default_retry_delay``) or at ``eta``, with other arguments if given. Over
        ``max_retries`` it raises ``exc``, or ``MaxRetriesExceededError``. Outside of a worker it raises ``exc``.
        """
        again = retrying.retry(self, args, kwargs, exc, eta, countdown, max_retries, options)
        if throw:
            raise again
        return again

    def update_state(
        self, task_id: str | None = None, state: str | None = None, meta: Any = None, **fields: Any
    ) -> None:
        """Store a state of your own (``"PROGRESS"``) with ``meta`` for this call, or for ``task_id``."""
        progress.write(self.app, task_id or self.request.id, state, meta)

    async def aupdate_state(
        self, task_id: str | None = None, state: str | None = None, meta: Any = None, **fields: Any
    ) -> None:
        """``update_state``, for coroutines."""
        await progress.awrite(self.app, task_id or self.request.id, state, meta)

    @property
    def should_stop(self) -> bool:
        """Whether the worker was told to stop, so that a long task had better save what it has and end soon."""
        outlet = self.app.outlet
        return outlet is not None and outlet.stopping

    def checkpoint(self, state: Any) -> None:
        """Keep ``state`` (JSON) for the next attempt at this call, which finds it in ``self.request.checkpoint``.

        It is stored when this returns, and expires as results do. Raises ``WorkerLostError`` in an attempt whose
        message another worker has taken over, and ``ImproperlyConfigured`` where no results are kept.
        """
        keeping.save(self.app, self.request, state)

    async def acheckpoint(self, state: Any) -> None:
        """``checkpoint``, for coroutines."""
        await keeping.asave(self.app, self.request, state)

    def once(self, key: str) -> keeping.Once:
        """An effect that one attempt at this call has, and not the next: ``with self.once("mail") as first:``.

        ``first`` is False if an attempt has come to the end of such a block before. Also ``async with``.
        """
        return keeping.Once(self.app, self.request, key)

    # Hooks: called by whoever runs the task; what they return is ignored ----------------------------------------------

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Before the body runs. What it raises is the task's failure."""

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """After the body returned."""

    def on_failure(
        self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: "ExceptionInfo | None"
    ) -> None:
        """After the body raised, for the last time."""

    def on_replace(self, sig: Signature[Any]) -> None:
        """Before ``sig`` takes the place of this call (``replace``)."""

    def on_retry(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: "ExceptionInfo | None") -> None:
        """After the body asked to be run again."""

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: "ExceptionInfo | None"
    ) -> None:
        """After success or failure."""

    def __repr__(self) -> str:
        return f"<@task: {self.name}>"

    def __reduce__(self) -> Any:
        return _find, (self.name,)


if TYPE_CHECKING:

    class CoroutineTask(Task[P, R]):
        """A task made of an ``async def``: called directly it gives a coroutine; its result is what that returns."""

        def __call__(  # type: ignore[override]
            self, *args: P.args, **kwargs: P.kwargs
        ) -> "Coroutine[Any, Any, R]":
            """Run the body here: await it."""

else:
    CoroutineTask = Task  # one class at run time


def _given(args: "Args | None", kwargs: "Kwargs | None") -> "tuple[Args, Kwargs]":
    return () if args is None else args, {} if kwargs is None else kwargs


def _find(name: str) -> Task[..., Any]:
    return ambient.get_current_app().tasks[name]


class Bound(Generic[P, R]):
    """A task with options for its next calls."""

    __slots__ = ("options", "task")

    def __init__(self, task: Task[P, R], options: dict[str, Any]) -> None:
        self.task = task
        self.options = options

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Call the task with these options."""
        return self.task.apply_async(args, kwargs, **self.options)

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """``delay``, for coroutines."""
        return await self.task.aapply_async(args, kwargs, **self.options)

    def using(self, **options: Any) -> "Bound[P, R]":
        """The same with more options; a later one replaces an earlier one."""
        return Bound(self.task, {**self.options, **options})

    def __repr__(self) -> str:
        return f"<{self.task.name} using {self.options}>"
