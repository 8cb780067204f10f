"""What Celery's application has besides Umbel's. Each part is loaded when it is asked for; none runs a task."""

import os
import threading
from collections import defaultdict
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, cast

from umbel.app import signals
from umbel.app.signals import Signal
from umbel.celery import offered
from umbel.runtime.clock import SYSTEM

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.celery.app.amqp import AMQP
    from umbel.celery.app.control import Control
    from umbel.celery.app.log import Logging
    from umbel.celery.kombu.connection import Connection, ConnectionPool
    from umbel.celery.kombu.messaging import Producer
    from umbel.celery.loaders.app import AppLoader
    from umbel.runtime.clock import Clock


class Members:
    """The part of ``Celery`` that ``Umbel`` has not."""

    clock: "Clock"

    def _umbel(self) -> "Umbel":
        return cast("Umbel", self)

    # Parts ------------------------------------------------------------------------------------------------------------

    @cached_property
    def control(self) -> "Control":
        """Orders to workers, and about tasks that were sent already."""
        from umbel.celery.app.control import Control

        return Control(self._umbel())

    @cached_property
    def loader(self) -> "AppLoader":
        """What imports the modules of tasks."""
        from umbel.celery.loaders.app import AppLoader

        return AppLoader(self)

    @cached_property
    def log(self) -> "Logging":
        """Logging for programs that are no workers."""
        from umbel.celery.app.log import Logging

        return Logging(self)

    @property
    def events(self) -> NoReturn:
        """Raises ``NotImplementedError``: no worker sends events yet."""
        raise NotImplementedError(f"app.events: {offered.EVENTS}; see {offered.PAGE}")

    @cached_property
    def amqp(self) -> "AMQP":
        """Queues and routes, and task messages made by hand."""
        from umbel.celery.app.amqp import AMQP

        return AMQP(self._umbel())

    @cached_property
    def steps(self) -> dict[str, set[Any]]:
        """Bootsteps that a worker starts and stops: ``app.steps["worker"].add(Step)``, or ``"consumer"``."""
        return defaultdict(set, {"worker": set(), "consumer": set()})

    @cached_property
    def user_options(self) -> dict[str, set[Any]]:
        """More options of a command: ``app.user_options["worker"].add(click.Option(...))``. Steps are given them."""
        return defaultdict(set)

    @property
    def backend(self) -> Any:
        """The result backend, with Celery's methods. ``store`` is Umbel's own."""
        from umbel.celery.backends.base import backend_of

        store, (known, found) = self._umbel().store, self.__dict__.get("_backend", (None, None))
        if found is None or known is not store:
            found = backend_of(self._umbel())
            self.__dict__["_backend"] = store, found
        return found

    # The broker -------------------------------------------------------------------------------------------------------

    def connection(self, url: str | None = None, **options: Any) -> "Connection":
        """A way to the broker, for messages that are no tasks. ``url`` is another broker's."""
        from umbel.celery.kombu.connection import Connection

        if url is None and not options:
            return Connection.of_app(self._umbel())
        return Connection(url or self._umbel().connections.broker_url, **options)

    connection_for_write = connection
    connection_for_read = connection
    broker_connection = connection

    def connection_or_acquire(
        self, connection: "Connection | None" = None, pool: bool = True, *args: Any, **kwargs: Any
    ) -> "AbstractContextManager[Connection]":
        """``connection``, or one for the block."""
        return nullcontext(connection) if connection is not None else self.connection()

    default_connection = connection_or_acquire

    def producer_or_acquire(self, producer: "Producer | None" = None) -> "AbstractContextManager[Producer]":
        """``producer``, or one for the block."""
        return nullcontext(producer) if producer is not None else self.connection().Producer()

    default_producer = producer_or_acquire

    @property
    def pool(self) -> "ConnectionPool":
        """Gives out connections."""
        from umbel.celery.kombu.connection import ConnectionPool

        return ConnectionPool(self.connection)

    @property
    def producer_pool(self) -> Any:
        """Gives out producers."""
        return self.amqp.producer_pool

    def select_queues(self, queues: Any = None) -> None:
        """Have workers read these of the declared queues only."""
        self.amqp.queues.select(queues)

    # Settings ---------------------------------------------------------------------------------------------------------

    def either(self, default_key: str, *defaults: Any) -> Any:
        """The first of ``defaults`` that is not None, else the setting of this name."""
        from umbel.celery.utils.functional import first

        found = first(None, defaults)
        return self._umbel().conf[default_key] if found is None else found

    def config_from_cmdline(self, argv: list[str], namespace: str = "celery") -> None:
        """Take settings written ``name=value``."""
        pairs = (argument.partition("=") for argument in argv if "=" in argument)
        self._umbel().conf.update({name: value for name, _, value in pairs})

    def uses_utc_timezone(self) -> bool:
        """Whether times are in UTC."""
        zone = self._umbel().timezone
        return str(zone) == "UTC"

    @property
    def annotations(self) -> tuple[Any, ...]:
        """What ``task_annotations`` says."""
        said = self._umbel().conf.task_annotations
        return () if not said else tuple(said) if isinstance(said, list | tuple) else (said,)

    @property
    def configured(self) -> bool:
        """Whether the settings have been read."""
        return self._umbel().conf.is_read

    @property
    def namespace(self) -> str | None:
        """What the names of settings begin with, as it was given."""
        return self._umbel().conf.namespace

    fixups: tuple[Any, ...] = ()
    """Celery's adapters to frameworks: none, Umbel's own is found where it is needed."""

    @cached_property
    def on_after_fork(self) -> Signal:
        """Sent in each process of a worker as it begins. Sender: app."""
        app = self._umbel()
        found = Signal("on_after_fork", "Sender: app. A process of a worker has begun.")

        def relay(**told: Any) -> None:
            found.send(sender=app)

        signals.worker_process_init.connect(relay, weak=False)
        return found

    # Tasks ------------------------------------------------------------------------------------------------------------

    @property
    def thread_oid(self) -> str:
        """An id of this app in this thread."""
        return f"{self.oid}-{threading.get_ident()}"

    @cached_property
    def oid(self) -> str:
        """An id of this app in this process."""
        from umbel.app.identity import uuid

        return uuid(SYSTEM.now())

    def subclass_with_self(self, Class: Any, name: str | None = None, attribute: str = "app", **attrs: Any) -> Any:
        """A subclass of a class (or of the one of that name) with this app as an attribute."""
        from umbel.celery.utils.imports import symbol_by_name

        base = symbol_by_name(Class)
        fields = {attribute: self, "__module__": base.__module__, "__doc__": base.__doc__, **attrs}
        return type(name or base.__name__, (base,), fields)

    # Programs ---------------------------------------------------------------------------------------------------------

    def WorkController(self, **options: Any) -> Any:
        """As ``Worker``."""
        return self._umbel().Worker(**options)

    def Beat(self, **options: Any) -> Any:
        """A beat: ``run()`` is one until it is told to stop."""
        from umbel.celery.apps.beat import Beat

        return Beat(app=self._umbel(), **options)

    def bugreport(self) -> str:
        """What to say of an installation when something is wrong."""
        from umbel.celery.app.utils import bugreport

        return bugreport(self._umbel())

    def beside_worker(self, worker: Any) -> AbstractContextManager[Any]:
        """What runs in a worker's first process beside it: the bootsteps."""
        if not any(self.__dict__.get("steps", {}).values()):
            return nullcontext()
        from umbel.celery.worker.stepping import Stepping

        found: AbstractContextManager[Any] = Stepping(self._umbel(), worker)
        return found

    def __reduce__(self) -> Any:
        return _same_app, (self._umbel().main, self.__reduce_keys__(), os.getpid())

    def __reduce_keys__(self) -> dict[str, Any]:
        conf = self._umbel().conf
        return {"changes": dict(conf.changed()), "defaults": conf.defaults, "set_as_current": False}


def _same_app(main: str | None, keys: dict[str, Any], pid: int) -> Any:
    from umbel.celery.app.base import Celery

    return Celery(main, **keys)
