"""billiard's ``pool``: the name ``Worker``, whose ``workloop`` packages wrap to do something when a process ends."""

from typing import Any

from umbel.app import signals
from umbel.celery import offered


class Worker:
    """Stands for a process that runs tasks. What is wrapped around ``workloop`` is called as that process ends.

    Umbel's processes have a loop of their own. ``workloop`` is called once in each of them, after its last task.
    """

    def workloop(self, *args: Any, **kwargs: Any) -> int:
        """Nothing is left to do."""
        return 0


_own_workloop = Worker.workloop


@signals.worker_process_shutdown.connect
def _process_ends(**told: Any) -> None:
    if Worker.workloop is not _own_workloop:
        Worker().workloop()


__all__ = ["Worker"]

__getattr__ = offered.names_not_in(__name__)
