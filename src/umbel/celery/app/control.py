"""Celery's ``app.control``: what Umbel can order today; the commands that workers would have to answer say so."""

from collections.abc import Callable
from typing import Any, NoReturn

from umbel.app import control, coroutine
from umbel.celery import offered
from umbel.core.queues import original_of

PROMISE = "remote control is not built yet: no worker answers commands"
INSTEAD = "umbel's command line and app.schedules do some of it; see docs/celery.md"
COMMANDS = (
    "add_consumer",
    "autoscale",
    "broadcast",
    "cancel_consumer",
    "disable_events",
    "election",
    "enable_events",
    "heartbeat",
    "ping",
    "pool_grow",
    "pool_restart",
    "pool_shrink",
    "rate_limit",
    "shutdown",
    "time_limit",
)
QUESTIONS = (
    "active",
    "active_queues",
    "clock",
    "conf",
    "hello",
    "memdump",
    "memsample",
    "objgraph",
    "ping",
    "query_task",
    "registered",
    "registered_tasks",
    "report",
    "reserved",
    "revoked",
    "scheduled",
    "stats",
)


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"{name}: {PROMISE}; {INSTEAD}")

    refuse.__name__ = name
    refuse.__doc__ = "Raises ``NotImplementedError``: workers answer no commands yet."
    return refuse


class Inspect:
    """What Celery asks of workers. Every question raises ``NotImplementedError``: workers answer none yet."""

    def __init__(self, destination: Any = None, timeout: float = 1.0, *args: Any, app: Any = None, **more: Any) -> None:
        self.app, self.destination, self.timeout = app, destination, timeout


class Control(control.Control):
    """What can be ordered of workers and tasks, with Celery's names."""

    @property
    def app(self) -> Any:
        """The app."""
        return self._app

    def inspect(self, *args: Any, **kwargs: Any) -> Inspect:
        """What asks workers."""
        return Inspect(*args, **{"app": self._app, **kwargs})

    def purge(self, connection: Any = None) -> int:
        """Delete what waits in the app's queues, and say how many messages there were."""
        return coroutine.run(self._purge())

    discard_all = purge

    async def _purge(self) -> int:
        app = self._app
        async with app.connections.keeper() as keeper:
            wanted = set(app.router.queues) or {app.router.default_queue}
            there = {depth.queue for depth in await keeper.survey(None)}
            names = {name for name in there if original_of(name) in wanted} | wanted
            return sum([await keeper.purge(name) for name in sorted(names)])


for _name in COMMANDS:
    setattr(Control, _name, _refusing(f"control.{_name}"))
for _name in QUESTIONS:
    setattr(Inspect, _name, _refusing(f"inspect.{_name}"))


def flatten_reply(reply: Any) -> dict[str, Any]:
    """The answers of several nodes as one dict."""
    return {node: answer for one in reply for node, answer in one.items()}


__all__ = ["Control", "Inspect", "flatten_reply"]

__getattr__ = offered.names_not_in(__name__)
