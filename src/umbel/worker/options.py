"""What the command line may say about a worker. Data only; None means: as the settings have it."""

from typing import Any

import msgspec


class WorkerOptions(msgspec.Struct, kw_only=True):
    """Options of one worker. Limits are in seconds."""

    pool: str | None = None
    concurrency: int | None = None
    processes: int | None = None
    max_tasks_per_child: int | None = None
    max_memory_per_child: int | None = None
    queues: tuple[str, ...] | None = None
    exclude_queues: tuple[str, ...] = ()
    hostname: str | None = None
    loglevel: str | None = None
    log_format: str = "text"
    logfile: str | None = None
    health_socket: str | None = None
    start_method: str | None = None
    prefetch_multiplier: int | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    purge: bool = False
    include: tuple[str, ...] = ()
    settings: dict[str, Any] = {}
    """Of the application, as the command line has them; processes that import the application anew are told them."""
    color: bool | None = None
