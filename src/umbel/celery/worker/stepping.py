"""Bootsteps beside a worker: made and started before it takes tasks, stopped when it has ended. Runs no task.

They start and stop on the thread that runs the worker, before its loop begins and after it has ended, where Umbel calls
``worker_init`` and ``worker_shutdown`` too; their timer has a thread of its own. None of their code runs on the loop.
"""

import logging
import threading
from collections.abc import Mapping
from typing import Any

import msgspec

from umbel.app.application import Umbel
from umbel.celery.bootsteps import Blueprint
from umbel.celery.utils.timer2 import Timer
from umbel.worker.controller import Worker

logger = logging.getLogger("celery.bootsteps")


class SteppedWorker:
    """The worker as steps see it: ``app``, ``hostname``, ``timer``, ``options``, and what else the worker has.

    Steps may set attributes of their own.
    """

    def __init__(self, worker: Worker, timer: Timer) -> None:
        self._worker = worker
        self.timer = timer
        self.options: Mapping[str, Any] = msgspec.structs.asdict(worker.options)
        self.blueprint: Blueprint | None = None
        self.consumer: Any = worker.consumer

    def __getattr__(self, name: str) -> Any:
        if name in ("pool", "hub"):
            raise AttributeError(f"a worker of Umbel's has no {name}: its processes are its own (docs/celery.md)")
        return getattr(self._worker, name)

    def __repr__(self) -> str:
        return repr(self._worker)


class SteppedConsumer(SteppedWorker):
    """What steps of ``app.steps["consumer"]`` see: the worker, and ``controller``, which is the worker too."""

    def __init__(self, worker: Worker, timer: Timer, controller: SteppedWorker) -> None:
        super().__init__(worker, timer)
        self.controller = controller
        self._connection: Any = None

    @property
    def connection(self) -> Any:
        """A way to the broker."""
        if self._connection is None:
            self._connection = self.app.connection()
        return self._connection


class Stepping:
    """The steps of one worker, from before it takes tasks until it has ended."""

    def __init__(self, app: Umbel, worker: Worker) -> None:
        self._timer = Timer(pulse=lambda: _wait_for(worker))
        self.worker = SteppedWorker(worker, self._timer)
        self.consumer = SteppedConsumer(worker, self._timer, self.worker)
        steps = app.steps  # type: ignore[attr-defined]  # an app of Celery's names
        self.worker.consumer = self.consumer
        self._both = [
            (Blueprint(steps["worker"], "Worker"), self.worker),
            (Blueprint(steps["consumer"], "Consumer"), self.consumer),
        ]

    def __enter__(self) -> "Stepping":
        options = {**self.worker.options, **self.worker.user_options}
        for blueprint, parent in self._both:
            parent.blueprint = blueprint
            blueprint.apply(parent, **options)
        try:
            for blueprint, parent in self._both:
                blueprint.start(parent)
        except BaseException:
            self._stop(terminate=True)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: Any) -> None:
        self._stop(terminate=error is not None)

    def _stop(self, *, terminate: bool) -> None:
        self._timer.stop()
        for blueprint, parent in reversed(self._both):
            try:
                blueprint.stop(parent, terminate=terminate)
            except Exception:
                logger.exception("A bootstep failed as it was stopped")


def _wait_for(worker: Worker) -> None:
    """Return once the worker's loop has been through a turn. While it hangs, this hangs too."""
    turned = threading.Event()
    if worker.call_soon(turned.set):
        turned.wait()
