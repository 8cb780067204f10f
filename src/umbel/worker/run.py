"""``umbel worker`` from Python: an application and options in, an exit status out."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from umbel.app.application import Umbel
from umbel.worker.banner import Banner
from umbel.worker.controller import Beside, Worker
from umbel.worker.options import WorkerOptions


def run(
    app: Umbel,
    options: WorkerOptions,
    *,
    on_banner: Callable[[Banner], None],
    beside: Beside = nullcontext,
    user_options: Mapping[str, Any] | None = None,
) -> int:
    """Be a worker until told to stop; returns the exit status. See ``Worker.start``.

    ``user_options`` are those that the application has added to the command.
    """
    worker = Worker(app, options, on_banner=on_banner, beside=beside)
    worker.user_options.update(user_options or {})
    return worker.start()
