"""The plan of one worker: its options and the settings, resolved once. Handed to every process as data."""

import logging
import os
import secrets
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import msgspec

from umbel.app.application import Umbel
from umbel.broker.base import Broadcasts
from umbel.core.errors import ImproperlyConfigured
from umbel.core.queues import Broadcast, cannot_broadcast, check_name, copy_of
from umbel.runtime.eventloop import Kind as EventLoop
from umbel.runtime.eventloop import has_uvloop
from umbel.wire import serializers
from umbel.worker.log import LogSetup, log_setup
from umbel.worker.names import expanded, nodename
from umbel.worker.options import WorkerOptions

logger = logging.getLogger("umbel.worker")

POOLS = ("prefork", "threads", "asyncio", "gevent", "eventlet", "solo")
ALIASES = {"processes": "prefork", "aio": "asyncio"}
EXTRAS = ("gevent", "eventlet")
"""Pools that need a library of their own, which replaces parts of Python's."""
WIDTHS = {"threads": 10, "asyncio": 100, "gevent": 100, "eventlet": 100}
"""Places of one process where nobody says how many."""
ONE_AT_A_TIME = ("prefork", "solo")
"""Pools whose processes run one task each, and whose hard limits are the supervisor's alone."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a worker's parts need to know. Times in seconds."""

    nodename: str
    pool: str
    processes: int
    width: int = 1
    queues: tuple[str, ...]
    copies: dict[str, str]
    """This worker's own copies of broadcast queues, by the queue's name."""
    lease: float
    shutdown_timeout: float | None
    soft_shutdown_timeout: float
    stuck_timeout: float | None
    cap: int | None
    time_limit: float | None
    soft_time_limit: float | None
    start_method: str
    event_loop: EventLoop
    max_tasks: int | None
    max_memory: int | None
    log: LogSetup
    purge: bool
    app_at: str | None
    include: tuple[str, ...]
    settings: dict[str, Any] = {}
    health_socket: str | None = None
    """Where it shows how it is, beside the folder that it has for life."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The queues that its processes claim from."""
        return tuple(self.copies.get(name, name) for name in self.queues)

    @property
    def is_wide(self) -> bool:
        """Whether a process runs many tasks at once and ends them at their limits itself."""
        return self.pool not in ONE_AT_A_TIME


def make_plan(app: Umbel, options: WorkerOptions, queues: tuple[str, ...] | None = None) -> Plan:
    """Resolve; ``queues`` if they are chosen already. Raises ``ImproperlyConfigured`` for what cannot be."""
    conf, node = app.conf, nodename(options.hostname)
    pool = chosen_pool(options.pool or conf.worker_pool or "prefork")
    processes, width = _size(app, options, pool)
    queues = queues or chosen_queues(app, options)
    check_limits(app, hard=options.time_limit, soft=options.soft_time_limit)
    multiplier = options.prefetch_multiplier
    if multiplier is None:
        multiplier = conf.worker_prefetch_multiplier
    return Plan(
        nodename=node,
        pool=pool,
        processes=processes,
        width=width,
        queues=queues,
        copies=copies_of(app, queues),
        lease=conf.worker_lease,
        shutdown_timeout=conf.worker_shutdown_timeout,
        soft_shutdown_timeout=conf.worker_soft_shutdown_timeout,
        stuck_timeout=conf.worker_stuck_timeout,
        cap=0 if conf.worker_disable_prefetch else int(multiplier) if multiplier else None,
        time_limit=options.time_limit,
        soft_time_limit=options.soft_time_limit,
        start_method=_start_method(options.start_method or conf.worker_pool_start_method, pool),
        event_loop=_event_loop(app, pool),
        max_tasks=_per_child(app, pool, options.max_tasks_per_child, conf.worker_max_tasks_per_child),
        max_memory=_per_child(app, pool, options.max_memory_per_child, conf.worker_max_memory_per_child),
        log=logging_of(app, options, node),
        purge=options.purge,
        app_at=_where(app),
        include=options.include,
        settings=options.settings,
        health_socket=_socket(options.health_socket or conf.worker_health_socket, node),
    )


def logging_of(app: Umbel, options: WorkerOptions, node: str) -> LogSetup:
    """How the worker logs."""
    return log_setup(
        app,
        node,
        loglevel=options.loglevel,
        log_format=options.log_format,
        logfile=options.logfile or app.conf.worker_logfile,
        color=options.color,
    )


def chosen_pool(name: str) -> str:
    """The lane of this name. Raises ``ImproperlyConfigured``."""
    pool = ALIASES.get(name, name)
    if pool not in POOLS:
        raise ImproperlyConfigured(f"There is no pool {name!r}; there is {', '.join(POOLS)}.")
    if pool in EXTRAS and find_spec(pool) is None:
        raise ImproperlyConfigured(f"The pool {pool} needs a library: pip install 'umbel[{pool}]'.")
    return pool


def _event_loop(app: Umbel, pool: str) -> EventLoop:
    kind: EventLoop = app.conf.worker_event_loop
    if pool == "asyncio" and kind == "uvloop" and not has_uvloop():
        raise ImproperlyConfigured("worker_event_loop = 'uvloop' needs a library: pip install 'umbel[fast]'.")
    return kind


def _size(app: Umbel, options: WorkerOptions, pool: str) -> tuple[int, int]:
    """How many processes, and how many places each has."""
    given = options.concurrency if options.concurrency is not None else app.conf.worker_concurrency
    if given is not None and given < 1:
        raise ImproperlyConfigured(f"--concurrency must be at least 1, not {given}.")
    if options.processes is not None and options.processes < 1:
        raise ImproperlyConfigured(f"--processes must be at least 1, not {options.processes}.")
    if pool == "solo":
        return 1, 1
    if pool == "prefork":
        if given and options.processes and given != options.processes:
            raise ImproperlyConfigured("Under prefork --concurrency and --processes mean the same; give one of them.")
        return options.processes or given or usable_cpus(), 1
    width = given or (usable_cpus() if app.conf.defaults == "celery" else WIDTHS[pool])
    return options.processes or 1, width


def _socket(path: str | None, node: str) -> str | None:
    return path and expanded(path, node)


def _start_method(method: str, pool: str) -> str:
    """What patches the interpreter must do so before anything else is loaded: then nothing can be forked."""
    return "spawn" if pool in EXTRAS else method


def _per_child(app: Umbel, pool: str, given: int | None, setting: int | None) -> int | None:
    """A limit after which a process is replaced. Celery knows it for prefork only."""
    limit = given if given is not None else setting
    if pool == "solo" or (app.conf.defaults == "celery" and pool != "prefork"):
        return None
    return limit or None


def chosen_queues(app: Umbel, options: WorkerOptions) -> tuple[str, ...]:
    """``-Q``, or all that the app declares, without ``-X``."""
    names = options.queues or tuple(app.queues_by_name)
    queues = tuple(name for name in dict.fromkeys(names) if name not in options.exclude_queues)
    for name in queues:
        check_name(name)
    if not queues:
        raise ImproperlyConfigured("No queue is left to read: -X excludes all of them. Name some with -Q.")
    return (*queues, f"{nodename(options.hostname)}.dq") if app.conf.worker_direct else queues


def copies_of(app: Umbel, queues: Iterable[str]) -> dict[str, str]:
    """Names for this worker's copies of those queues that are broadcast. Raises ``ImproperlyConfigured``."""
    known, broker, worker = app.queues_by_name, app.broker, secrets.token_hex(8)
    wanted = [name for name in queues if name in known and known[name].is_fanout]
    if isinstance(broker, Broadcasts):
        return {name: copy_of(name, worker) for name in wanted}
    for name in wanted:
        if isinstance(known[name], Broadcast):
            raise cannot_broadcast(name, broker.features.name)
    return {}


def _where(app: Umbel) -> str | None:
    """``module:attribute`` under which another interpreter finds the application."""
    for name, module in list(sys.modules.items()):
        if name != "__main__" and module is not None:
            for attribute, value in list(vars(module).items()):
                if value is app:
                    return f"{name}:{attribute}"
    return None


def accepted(app: Umbel) -> frozenset[str]:
    """The content types that are decoded here; ``accept_content = None`` means all that are registered."""
    names = app.conf.accept_content
    return serializers.content_types(serializers.names() if names is None else names)


def check_limits(app: "Umbel", *, hard: float | None, soft: float | None) -> None:
    """Refuse worker-wide limits (seconds) that contradict; warn of tasks whose own limit contradicts one of them.

    Raises ``ImproperlyConfigured``. None means that the worker was told no limit: the settings hold.
    """
    hard = app.conf.task_time_limit if hard is None else hard
    soft = app.conf.task_soft_time_limit if soft is None else soft
    if soft and hard and soft > hard:
        raise ImproperlyConfigured(
            f"the soft time limit ({soft:g} s) is more than the hard one ({hard:g} s): tasks would be ended before "
            "they are asked to end. Make task_soft_time_limit the smaller one."
        )
    for task in app.tasks.values():
        its_soft, its_hard = task.soft_time_limit or soft, task.time_limit or hard
        if its_soft and its_hard and its_soft > its_hard:
            logger.warning(
                "Task %s has a soft time limit of %g s and a hard one of %g s: it is ended before it is asked to end",
                task.name,
                its_soft,
                its_hard,
            )


def usable_cpus() -> int:
    """The CPUs that this process may use: its affinity, and the cgroup's quota where there is one."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:  # noqa: PTH123  not a path of ours
            quota, period = file.read().split()
        if quota != "max":
            cpus = min(cpus, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return max(1, cpus)
