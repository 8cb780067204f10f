"""What a worker says of itself when it starts. Data only; the command line prints it."""

import msgspec

from umbel.app.application import Umbel
from umbel.worker.plan import Plan


class Banner(msgspec.Struct, frozen=True):
    """One worker. ``broker`` and ``results`` are URLs or paths without secrets; ``tasks`` are its own, sorted."""

    nodename: str
    app: str
    broker: str
    results: str | None
    pool: str
    slots: int
    queues: tuple[str, ...]
    tasks: tuple[str, ...]
    notes: tuple[str, ...] = ()


def make_banner(app: Umbel, plan: Plan) -> Banner:
    """Describe."""
    notes = ("solo runs tasks in the worker's own process: no hard time limits, and nobody ends what it runs",)
    return Banner(
        nodename=plan.nodename,
        app=app.main or "",
        broker=app.broker.url,
        results=app.store.url if app.store is not None else None,
        pool=plan.pool,
        slots=plan.processes * plan.width,
        queues=plan.queues,
        tasks=tuple(sorted(app.tasks.regular())),
        notes=notes if plan.pool == "solo" else (),
    )
