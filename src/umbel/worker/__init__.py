"""Floor 6: those who act. A supervisor, its processes, and in each an I/O thread and a lane."""

from umbel.worker.banner import Banner
from umbel.worker.options import WorkerOptions
from umbel.worker.run import run

__all__ = ["Banner", "WorkerOptions", "run"]
