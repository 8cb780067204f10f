"""Celery's ``contrib.testing.worker``: a worker on a thread beside a block, for tests."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from umbel.app.application import Umbel
from umbel.app.signals import Signal
from umbel.app.waiting import allow_join_result
from umbel.celery import offered
from umbel.celery.contrib.testing.tasks import ping
from umbel.celery.utils.nodenames import gethostname

WORKER_LOGLEVEL = os.environ.get("WORKER_LOGLEVEL", "error")
BY_DESIGN = ("without_gossip", "without_heartbeat", "without_mingle")
"""Options of Celery's that ask for what Umbel's workers are anyway."""

test_worker_starting = Signal("test_worker_starting", "Sender: app.")
test_worker_started = Signal("test_worker_started", "Sender: app. worker, consumer: what has started.")
test_worker_stopped = Signal("test_worker_stopped", "Sender: app. worker: what has stopped, or None.")


@contextmanager
def start_worker(
    app: Umbel,
    concurrency: int = 1,
    pool: str = "solo",
    loglevel: str | int | None = None,
    logfile: str | None = None,
    perform_ping_check: bool = True,
    ping_task_timeout: float = 10.0,
    shutdown_timeout: float = 10.0,
    **options: Any,
) -> Iterator[Any]:
    """Run a worker of ``app`` beside the block; ``app`` is the current one from then on.

    ``solo`` works in this process, and knows all that the test has set up; the other lanes start processes, which
    import the application. Without ``loglevel`` and ``logfile`` it leaves logging alone, unless the app has
    ``enable_logging``. Raises ``RuntimeError`` if it has not stopped within ``shutdown_timeout`` seconds.
    """
    setup_app_for_worker(app)
    if loglevel is None and getattr(app, "enable_logging", False):
        loglevel = WORKER_LOGLEVEL
    options = {name: value for name, value in options.items() if name not in BY_DESIGN}
    options.setdefault("hostname", f"gen{os.getpid()}@{gethostname()}")
    test_worker_starting.send(sender=app)
    worker = None
    try:
        worker = app.Worker(concurrency=concurrency, pool=pool, loglevel=loglevel, logfile=logfile, **options)
        worker.patience = shutdown_timeout
        with worker:
            app.conf.thaw()  # under Celery's names a test may change settings beside a worker
            test_worker_started.send(sender=app, worker=worker, consumer=worker.consumer)
            if perform_ping_check:
                _ping(app, worker.queues[0], ping_task_timeout)
            yield worker
    finally:
        test_worker_stopped.send(sender=app, worker=worker)


def setup_app_for_worker(app: Umbel, loglevel: str | int | None = None, logfile: str | None = None) -> None:
    """Make ``app`` ready for a worker: all its tasks are there, and it is the current one. The worker does the rest."""
    app.finalize()
    app.set_current()


def _ping(app: Umbel, queue: str, timeout: float) -> None:
    """Raise ``AssertionError`` if the worker does not answer, and ``TimeoutError`` if it is silent."""
    with allow_join_result():
        answer = app.tasks[ping.name].apply_async(queue=queue).get(timeout=timeout)
    if answer != "pong":
        raise AssertionError(f"the worker answered {answer!r} to celery.ping")


__getattr__ = offered.names_not_in(__name__)
