"""A worker as an object: made, started, stopped; what ``app.Worker`` makes, and what signals show of a worker.

From an application and options to a worker that runs, and its exit status. Who owns whom, on one page.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib import reload as reload_module
from types import TracebackType
from typing import Any

import msgspec

from umbel.app import signals
from umbel.app.application import Umbel
from umbel.core.errors import ImproperlyConfigured
from umbel.worker import solo
from umbel.worker.announce import Consumer
from umbel.worker.banner import Banner, make_banner
from umbel.worker.log import name_process, redirected, set_up, tell_children
from umbel.worker.names import nodename
from umbel.worker.options import WorkerOptions
from umbel.worker.plan import Plan, chosen_queues, logging_of, make_plan
from umbel.worker.starter import make_starter
from umbel.worker.supervisor import Supervisor

logger = logging.getLogger("umbel.worker")
Beside = Callable[[], AbstractContextManager[object]]
"""What runs in the worker's first process as long as the worker does."""
WITHIN = ("threads", "asyncio")
"""Lanes that can run beside a block of the program itself."""
SOON = 30.0
"""Seconds that a ``with`` block waits for its worker to be ready."""


class Worker:
    """One worker of ``app``. ``start()`` runs it until it is told to stop, and returns its exit status.

    In a ``with`` block it runs on a thread of its own from when it is ready until the block ends: for tests, and for
    programs that are not workers otherwise. Only on the main thread does it take signals, standard output and the root
    logger into its hands, as a program does.

    ``hostname`` is the node name. Receivers of ``celeryd_after_setup`` may change ``queues``.
    """

    def __init__(
        self,
        app: Umbel,
        options: WorkerOptions,
        *,
        on_banner: Callable[[Banner], None] = lambda banner: None,
        beside: Beside = nullcontext,
    ) -> None:
        self.app = app
        self.options = options
        self.hostname = nodename(options.hostname)
        self.consumer = Consumer(app, self.hostname)
        self.queues: list[str] = []
        self.exitcode: int | None = None
        self.patience = SOON
        """Seconds that the end of a ``with`` block waits for the worker to have stopped."""
        self.user_options: dict[str, Any] = {}
        """Options of the command line that the application added itself."""
        self.plan: Plan
        self._on_banner = on_banner
        self._beside = beside
        self._inside = False
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self._soon: Callable[[Callable[[], object]], object] | None = None
        self._told_to_stop = False
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._error: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Worker: {self.hostname}>"

    @property
    def concurrency(self) -> int | None:
        """Tasks that can run at once; None before it has been decided."""
        return self.plan.processes * self.plan.width if hasattr(self, "plan") else self.options.concurrency

    @property
    def pool_cls(self) -> str | None:
        """The name of the lane."""
        return self.plan.pool if hasattr(self, "plan") else self.options.pool

    @property
    def loglevel(self) -> str | None:
        """The name of the level, as it was given."""
        return self.options.loglevel

    @property
    def logfile(self) -> str | None:
        """The log file, as it was given."""
        return self.options.logfile

    # Running ----------------------------------------------------------------------------------------------------------

    def start(self) -> int:
        """Be a worker until told to stop; returns the exit status.

        Raises ``ImproperlyConfigured`` for options that cannot be, before anything has started.
        """
        try:
            self.prepare()
            self._on_banner(make_banner(self.app, self.plan))
            with redirected(self.plan.log if self._is_program() else None):
                self.exitcode = self._run_inside() if self._inside else self._run_processes()
                signals.worker_shutdown.send(sender=self)
            return self.exitcode
        finally:
            self.app.conf.thaw()

    def prepare(self) -> None:
        """Everything before the first process: the application's modules, the signals, logging, the settings fixed."""
        app, options = self.app, self.options
        if self._is_program():
            name_process("Supervisor")
        if options.include:
            app.conf.include = (*app.conf.include, *options.include)
        app.load()
        told = {"instance": self, "conf": app.conf}
        signals.celeryd_init.send(sender=self.hostname, options=msgspec.structs.asdict(options), **told)
        signals.worker_init.send(sender=self)
        if self._is_program() or options.loglevel or options.logfile:
            setup = logging_of(app, options, self.hostname)
            set_up(setup)
            tell_children(setup)
        self.queues = list(chosen_queues(app, options))
        signals.celeryd_after_setup.send(sender=self.hostname, **told)
        self.plan = make_plan(app, options, tuple(self.queues))
        self._inside = self._runs_inside()
        app.conf.freeze()

    def _runs_inside(self) -> bool:
        """Whether tasks run in this very process. Beside a block two wide lanes do where no other process could.

        Raises ``ImproperlyConfigured`` where there must be processes and cannot be.
        """
        plan, broker = self.plan, self.app.broker
        alone = broker.features.reach == "process"
        lost = not self._is_program() and plan.app_at is None
        if plan.pool == "solo":
            return True
        if not self._is_program() and plan.pool in WITHIN and plan.processes == 1 and (alone or lost):
            return True
        if alone:
            raise ImproperlyConfigured(f"{broker.url} reaches no other process than its own: use --pool solo")
        if lost:
            raise ImproperlyConfigured(
                f"{self.app!r} is in no module from which the processes of {plan.pool} could import it: "
                f"use the pool solo, {' or '.join(WITHIN)}"
            )
        return False

    def _run_inside(self) -> int:
        with self._beside(), self.app.beside_worker(self):
            return solo.run_solo(self)

    def _run_processes(self) -> int:
        method = self.plan.start_method if self._is_program() else "spawn"  # a fork would copy the other threads
        starter = make_starter(self.app, method, logger.warning)  # before any thread of our own
        try:
            with self._beside(), self.app.beside_worker(self):
                return asyncio.run(Supervisor(self, starter).run())
        finally:
            starter.close()

    # Stopping ---------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Have it end after what runs, as SIGTERM does. From any thread, at any time; safe to repeat."""
        with self._lock:
            self._told_to_stop = True
            stop = self._stop
        if stop is not None:
            stop()

    def stops_by(
        self, stop: Callable[[], None], *, soon: Callable[[Callable[[], object]], object] | None = None
    ) -> None:
        """For those who run it: how it is told to stop, and how its loop is handed something to call."""
        with self._lock:
            self._stop, self._soon = stop, soon
            told = self._told_to_stop
        if told:
            stop()

    def reload(self, modules: Iterable[str] = (), reload: bool = False) -> None:
        """Import modules that have tasks, with ``reload`` also those that are imported already.

        Under ``solo`` the worker runs the tasks that the app has when a message comes, so that those which a test
        makes beside it need no more; processes know the tasks with which they were started.
        """
        for name in modules:
            module = sys.modules.get(name)
            if module is None:
                import_module(name)
            elif reload:
                reload_module(module)

    def call_soon(self, function: Callable[[], object]) -> bool:
        """Have its loop call this in its next turn: a sign of life. From any thread. False: it has no loop now."""
        soon = self._soon
        if soon is None:
            return False
        try:
            soon(function)
        except RuntimeError:
            return False  # it has ended meanwhile
        return True

    def is_ready(self) -> None:
        """For those who run it: it takes tasks now."""
        logger.info("%s ready.", self.hostname)
        signals.worker_ready.send(sender=self.consumer)
        self._ready.set()

    # On a thread ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> "Worker":
        threading.Thread(target=self._run, name="umbel-worker", daemon=True).start()
        self._ready.wait(SOON)
        if self._error is not None:
            raise self._error
        if not self._ready.is_set() or self._ended.is_set():
            self.stop()
            raise RuntimeError(f"the worker was not ready within {SOON:g} s, or ended: its log says why")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if not self._ended.wait(self.patience) and error is None:
            raise RuntimeError(f"the worker has not stopped within {self.patience:g} s: a task of its runs on")
        if self._error is not None and error is None:
            raise self._error

    def _run(self) -> None:
        try:
            self.start()
        except BaseException as error:  # noqa: BLE001  raised again where the block is
            self._error = error
        finally:
            self._ended.set()
            self._ready.set()

    @staticmethod
    def _is_program() -> bool:
        return threading.current_thread() is threading.main_thread()


def make_worker(app: Umbel, **named: Any) -> Worker:
    """A worker from the names of ``WorkerOptions``, and those that Celery has for the same things.

    Raises ``TypeError`` for a name that is neither.
    """
    given = {_CELERY.get(name, name): value for name, value in named.items()}
    unknown = sorted(given.keys() - set(WorkerOptions.__struct_fields__))
    if unknown:
        known = ", ".join(WorkerOptions.__struct_fields__)
        raise TypeError(f"Worker() has no option {unknown[0]!r}; it has {known}")
    for name in ("queues", "exclude_queues", "include"):
        if isinstance(given.get(name), str):
            given[name] = tuple(part.strip() for part in given[name].split(",") if part.strip())
        elif given.get(name) is not None:
            given[name] = tuple(given[name])
    if isinstance(given.get("loglevel"), int):
        given["loglevel"] = logging.getLevelName(given["loglevel"])
    return Worker(app, WorkerOptions(**given))


_CELERY = {"pool_cls": "pool"}
