"""The application: wires configuration, tasks, client, broker and results together. Nothing clever lives here."""

import socket
import sys
import warnings
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypeVar, overload
from zoneinfo import ZoneInfo

from umbel.app import (
    ambient,
    decorate,
    naming,
    request,
    routes,
)
from umbel.app.assembly import Assembly, Packages
from umbel.app.bulk import Bulk
from umbel.app.client import Client
from umbel.app.config import Config, check_keywords
from umbel.app.connections import Connections
from umbel.app.control import Control
from umbel.app.dead import Dead
from umbel.app.embedding import Embedding
from umbel.app.handles import Handles
from umbel.app.outlet import Outlet
from umbel.app.registry import Registry
from umbel.app.results import AsyncResult as Result
from umbel.app.schedules import Schedules
from umbel.app.security import Signing
from umbel.app.settings import Defaults
from umbel.app.signals import Signal
from umbel.app.task import CoroutineTask
from umbel.app.task import Task as BaseTask
from umbel.app.workers import Workers
from umbel.app.workflows import Workflows
from umbel.broker.base import Broker, Producer, SyncProducer
from umbel.core.errors import AlwaysEagerIgnored, ImproperlyConfigured
from umbel.core.queues import Queue
from umbel.core.routing import Router
from umbel.result.base import Store
from umbel.runtime.clock import SYSTEM, Clock
from umbel.wire import serializers

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=BaseTask[..., Any])


class Umbel(Handles, Embedding, Signing):
    """An application: its configuration, its tasks, and the way to its broker and results.

    ``main`` names it. ``broker`` and ``backend`` are URLs; without them, messages and results live in the file
    ``umbel.db`` beside the app's top package. ``include`` lists modules that a worker imports. ``defaults`` chooses
    between Umbel's defaults and Celery's. Any setting may be given by name.
    """

    task_cls: type[BaseTask[..., Any]] = BaseTask

    def __init__(
        self,
        main: str | None = None,
        *,
        broker: str | None = None,
        backend: str | None = None,
        include: Iterable[str] | None = None,
        defaults: Defaults = "umbel",
        config_source: Any = None,
        namespace: str | None = None,
        changes: Mapping[str, Any] | None = None,
        task_cls: type[BaseTask[..., Any]] | None = None,
        strict_typing: bool = True,
        set_as_current: bool = True,
        autofinalize: bool = True,
        clock: Clock = SYSTEM,
        **settings: Any,
    ) -> None:
        if defaults not in ("umbel", "celery"):
            raise ImproperlyConfigured(f"defaults is 'umbel' or 'celery', not {defaults!r}")
        check_keywords(settings)
        self.main = main
        self.clock = clock
        self.strict_typing = strict_typing
        self.outlet: Outlet | None = None
        self.said_absent: set[str] = set()
        self.assembly = Assembly(self, autofinalize=autofinalize)
        self.all_tasks = self.assembly.tasks  # as they are; ``tasks`` completes them first
        self._namespace = self._caller()
        self._routing: tuple[int, Router, bool] | None = None

        self.on_configure = Signal("on_configure", "Sender: app. The configuration is about to be read.")
        self.on_after_configure = Signal("on_after_configure", "Sender: app. source: the configuration.")
        self.on_after_finalize = Signal("on_after_finalize", "Sender: app. All its tasks are bound.")
        self.conf = Config(defaults, on_load=self._configure)
        self.client = Client(self)
        self.connections = Connections(self)
        self.schedules = Schedules(self)
        self.dead = Dead(self)
        self.workers = Workers(self)
        self.workflows = Workflows(self)
        given = {"broker_url": broker, "result_backend": backend, "include": include}
        self.conf.update({name: value for name, value in given.items() if value is not None})
        self.conf.update({**(changes or {}), **settings})
        if task_cls is not None:
            self.task_cls = task_cls
        if config_source is not None or namespace is not None:
            self.conf.from_object(config_source or {}, namespace=namespace)
        ambient.join(self, current=set_as_current)
        self.on_init()

    def on_init(self) -> None:
        """Called at the end of ``__init__``: a place for overriding."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.main or self.import_name}>"

    def __enter__(self) -> "Umbel":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free connections, and be current no more. The app may be used again: it reconnects."""
        self.connections.close()
        ambient.leave(self)

    def set_current(self) -> None:
        """Make this the app that shared tasks and ``current_app`` mean."""
        ambient.set_current(self)

    set_default = set_current

    def using(self) -> "AbstractContextManager[Umbel]":
        """Make this the current app for a block, in this thread or coroutine."""
        return ambient.using(self)

    # Where it is ------------------------------------------------------------------------------------------------------

    @property
    def home(self) -> Path:
        """The folder beside the app's top package or module, where its database is."""
        return naming.home(self._namespace)

    def _caller(self) -> Mapping[str, Any]:
        """The globals of the module that makes the app."""
        frame = sys._getframe(1)  # noqa: SLF001  the documented way to the caller
        while frame.f_back is not None and frame.f_locals.get("self") is self:
            frame = frame.f_back
        return frame.f_globals

    @property
    def import_name(self) -> str:
        """What to pass to ``umbel -A``: the module that made the app."""
        module = str(self._namespace.get("__name__", "__main__"))
        return naming.importable(module, self._namespace) or self.main or module

    @property
    def nodename(self) -> str:
        """``celery@<host>``, as Celery has it."""
        return f"celery@{socket.gethostname()}"

    @cached_property
    def control(self) -> Control:
        """Orders about tasks that were sent already."""
        return Control(self)

    # Configuration ----------------------------------------------------------------------------------------------------

    def _configure(self, before: bool) -> None:
        if before:
            self.on_configure.send(sender=self)
        else:
            self.on_after_configure.send(sender=self, source=self.conf)

    def config_from_object(
        self, obj: Any, silent: bool = False, force: bool = False, namespace: str | None = None
    ) -> None:
        """Take settings from a module, an object, a dict, or a dotted name (``"proj.settings"``, ``"mod:attr"``).

        With ``namespace="CELERY"`` only names under it count: ``CELERY_TASK_SERIALIZER``. It is read when a setting is
        first needed, or now with ``force``. What was assigned to ``app.conf`` stays. Raises ``ImproperlyConfigured``
        for a name that cannot be imported, unless ``silent``.
        """
        self.conf.from_object(obj, silent=silent, force=force, namespace=namespace)

    def config_from_envvar(
        self, variable_name: str, silent: bool = False, force: bool = False, namespace: str | None = None
    ) -> bool:
        """``config_from_object`` with the name that the environment variable holds. False if ``silent`` and unset."""
        return self.conf.from_envvar(variable_name, silent=silent, force=force, namespace=namespace)

    def add_defaults(self, values: Mapping[str, Any] | Callable[[], Mapping[str, Any]]) -> None:
        """Settings for what nobody set; weaker than all other sources."""
        self.conf.add_defaults(values)

    @property
    def accept_content(self) -> frozenset[str]:
        """The content types that are decoded."""
        names = self.conf.accept_content
        return serializers.content_types(serializers.names() if names is None else names)

    @property
    def timezone(self) -> tzinfo:
        """The zone in which times are written."""
        zone = self.conf.timezone
        if zone is None:
            local = datetime.fromtimestamp(self.clock.now()).astimezone().tzinfo
            return UTC if self.conf.enable_utc or local is None else local
        return ZoneInfo(zone) if isinstance(zone, str) else zone

    def now(self) -> datetime:
        """The time, in ``timezone``."""
        return datetime.fromtimestamp(self.clock.now(), self.timezone)

    # Tasks ------------------------------------------------------------------------------------------------------------

    @property
    def Task(self) -> type[BaseTask[..., Any]]:
        """The class of this app's tasks."""
        return self.task_cls

    @Task.setter
    def Task(self, kind: type[BaseTask[..., Any]]) -> None:
        self.task_cls = kind

    @property
    def tasks(self) -> Registry:
        """All tasks by name. The first look finalizes the app."""
        self.finalize(auto=True)
        return self.all_tasks

    @property
    def finalized(self) -> bool:
        """Whether the tasks are complete."""
        return self.assembly.finalized

    @overload
    def task(self, /, *, bind: Literal[True], **options: Any) -> decorate.Bind: ...
    @overload
    def task(self, /, *, bind: Literal[False] = False, **options: Any) -> decorate.Unbound: ...
    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /, **options: Any) -> CoroutineTask[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /, **options: Any) -> BaseTask[P, R]: ...
    def task(self, function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Make a task of a function: ``@app.task``, or ``@app.task(bind=True, max_retries=5, ...)``.

        ``name`` (default: module and function), ``bind`` (the task comes as first argument), ``base`` (a subclass of
        ``Task``), ``shared`` (for all apps), ``typed`` or ``pydantic`` (arguments as they are annotated), ``every``
        (seconds) or ``cron`` (``"0 8 * * *"``) for beat to call it, and any attribute of ``Task``.
        """
        if function is None:
            return lambda function: self._decorate(function, options)
        return self._decorate(function, options)

    def _decorate(self, function: Callable[..., Any], options: dict[str, Any]) -> Any:
        options = dict(options)
        options.pop("lazy", None)  # tasks are always made at once
        if options.pop("shared", False):
            ambient.share(lambda app: app is self or decorate.task_of(app, function, **options))
        return decorate.task_of(self, function, **options)

    def register_task(self, task: T | type[T], **options: Any) -> T:
        """Register a task made by class: an instance of a ``Task`` subclass, or the class. A later one replaces."""
        if isinstance(task, type):
            task = task()
        if not task.name:
            kind = type(task)
            task.name = self.gen_task_name(kind.__name__, kind.__module__)
        decorate.check_attributes(task.name, options)
        for name, value in options.items():
            setattr(task, name, value)
        registered: T = self.registered(task, replace=True)
        return registered

    def add_periodic_task(self, schedule: Any, sig: Any, *args: Any, **options: Any) -> str:
        """Have beat call a task: see ``Schedules.add``, which takes the same as Celery's method of this name."""
        return self.schedules.add(schedule, sig, *args, **options)

    def registered(self, task: Any, *, replace: bool = False) -> Any:
        """Take a task in, and return the one that holds its name now."""
        return self.assembly.register(task, replace=replace)

    def gen_task_name(self, name: str, module: str) -> str:
        """The name of the task ``name`` defined in ``module``: a place for overriding."""
        return f"{naming.importable(module) or self.main or module}.{name}"

    def finalize(self, auto: bool = False) -> None:
        """Complete the registry: shared tasks join, annotations are set. Safe to repeat, and from many threads."""
        self.assembly.finalize(auto=auto)

    def autodiscover_tasks(
        self,
        packages: Packages | None = None,
        related_name: str | None = "tasks",
        force: bool = False,
    ) -> None:
        """Import ``tasks.py`` of each package when a worker loads the app; now, with ``force``."""
        self.assembly.discover(packages, related_name, now=force)

    def load(self) -> None:
        """Import everything that has tasks: ``imports``, ``include``, autodiscovery. Workers do it at their start."""
        self.assembly.load()

    @property
    def current_task(self) -> BaseTask[..., Any] | None:
        """The task that runs here, if one does."""
        context = request.current.get()
        return self.tasks.get(context.task) if context is not None and context.task is not None else None

    @property
    def current_worker_task(self) -> BaseTask[..., Any] | None:
        """The task that a worker runs here: not one that was called as a function."""
        context = request.current.get()
        return None if context is None or context.called_directly else self.current_task

    # Calling ----------------------------------------------------------------------------------------------------------

    def send_task(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Result[Any]:
        """Call a task by name, which need not be known here; arguments are not checked. It is never run eagerly."""
        self._warn_of_eager()
        outgoing = self.client.call(options.pop("task_type", None) or name, list(args or ()), kwargs or {}, options)
        return self.handle(outgoing, options)

    async def asend_task(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Result[Any]:
        """``send_task``, for coroutines."""
        self._warn_of_eager()
        outgoing = await self.client.acall(name, list(args or ()), kwargs or {}, options)
        return self.handle(outgoing, options)

    def _warn_of_eager(self) -> None:
        if self.conf.task_always_eager:
            warnings.warn("send_task() sends: task_always_eager has no say in it", AlwaysEagerIgnored, stacklevel=3)

    def bulk(self) -> Bulk:
        """A block (``with``, ``async with``) whose calls go out in one publish at its end; an exception sends none."""
        return Bulk(self)

    # Routing ----------------------------------------------------------------------------------------------------------

    @property
    def router(self) -> Router:
        """Where calls go."""
        return self.routing()[0]

    def routing(self) -> tuple[Router, bool]:
        """The router, and whether what it says of a task is the same for all arguments."""
        known = self._routing
        if known is None or known[0] != self.conf.version:
            version = self.conf.version
            known = self._routing = (version, *routes.router_of(self.conf))
        return known[1], known[2]

    @property
    def queues_by_name(self) -> Mapping[str, Queue]:
        """The declared queues: those that a worker reads unless it is told otherwise."""
        return self.router.queues

    # Broker and results -----------------------------------------------------------------------------------------------

    @property
    def broker(self) -> Broker:
        """The broker, opened at first use and kept."""
        return self.connections.broker

    @property
    def sync_producer(self) -> SyncProducer:
        """The blocking producer, shared by all threads."""
        return self.connections.sync_producer

    def producer(self) -> Producer:
        """The producer of the running event loop."""
        return self.connections.producer()

    @property
    def store(self) -> Store | None:
        """The result store, opened at first use and kept; None where results are not configured."""
        return self.connections.store

    backend = store
