"""``umbel worker`` from Python: an application and options in, an exit status out."""

from collections.abc import Callable
from contextlib import nullcontext

from umbel.app.application import Umbel
from umbel.worker.banner import Banner
from umbel.worker.controller import Beside, Worker
from umbel.worker.options import WorkerOptions


def run(
    app: Umbel, options: WorkerOptions, *, on_banner: Callable[[Banner], None], beside: Beside = nullcontext
) -> int:
    """Be a worker until told to stop; returns the exit status. See ``Worker.start``."""
    return Worker(app, options, on_banner=on_banner, beside=beside).start()
