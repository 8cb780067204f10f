"""From an application and options to a worker that runs, and its exit status. Who owns whom, on one page."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from umbel.app import signals
from umbel.app.application import Umbel
from umbel.worker.banner import Banner, make_banner
from umbel.worker.log import name_process, set_up
from umbel.worker.options import WorkerOptions
from umbel.worker.plan import Plan, make_plan
from umbel.worker.solo import run_solo
from umbel.worker.starter import make_starter
from umbel.worker.supervisor import Supervisor

logger = logging.getLogger("umbel.worker")


Beside = Callable[[], AbstractContextManager[object]]
"""What runs in the worker's first process as long as the worker does."""


def run(
    app: Umbel, options: WorkerOptions, *, on_banner: Callable[[Banner], None], beside: Beside = nullcontext
) -> int:
    """Be a worker until told to stop; returns the exit status.

    Raises ``ImproperlyConfigured`` for options that cannot be, before anything has started.
    """
    plan = prepare(app, options)
    on_banner(make_banner(app, plan))
    if plan.pool == "solo":
        with beside():
            status = run_solo(app, plan)
    else:
        status = _run_prefork(app, plan, beside)
    signals.worker_shutdown.send(sender=app)
    return status


def prepare(app: Umbel, options: WorkerOptions) -> Plan:
    """Everything before the first process: logging, the application's modules, the settings fixed, the signals."""
    name_process("Supervisor")
    if options.include:
        app.conf.include = (*app.conf.include, *options.include)
    app.load()
    set_up((options.loglevel or "WARNING").upper(), options.log_format)
    plan = make_plan(app, options)
    signals.celeryd_init.send(sender=plan.nodename, instance=app, conf=app.conf, options=options)
    signals.celeryd_after_setup.send(sender=plan.nodename, instance=app, conf=app.conf)
    signals.worker_init.send(sender=app)
    app.conf.freeze()
    return plan


def _run_prefork(app: Umbel, plan: Plan, beside: Beside) -> int:
    starter = make_starter(app, logger.warning)  # before any thread
    try:
        with beside():
            return asyncio.run(Supervisor(app, plan, starter).run())
    finally:
        starter.close()
