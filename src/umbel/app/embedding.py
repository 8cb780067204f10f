"""How an application starts what stands above it: a worker as an object, and the command line. Runs nothing itself.

The table is the only way up: what it names is imported when it is asked for, so that a program that only calls tasks
loads no worker.
"""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

ABOVE = {
    "worker": "umbel.worker.controller:make_worker",
    "command line": "umbel.cli:run_for",
}


def above(name: str) -> Any:
    """A function of a floor above."""
    module, _, attribute = ABOVE[name].partition(":")
    return getattr(import_module(module), attribute)


class Embedding:
    """What an application offers to programs that are not ``umbel``."""

    def Worker(self, **options: Any) -> Any:
        """A worker of this app: ``with app.Worker(pool="solo"):`` runs it beside the block, ``start()`` in its stead.

        Options are those of ``umbel worker``, in Python's spelling: ``concurrency``, ``queues``, ``hostname``,
        ``loglevel``, ``logfile``, ... Raises ``TypeError`` for one that there is not.
        """
        return above("worker")(self, **options)

    def beside_worker(self, worker: Any) -> AbstractContextManager[Any]:
        """What runs in a worker's first process from before it takes tasks until it has ended: for overriding."""
        return nullcontext()

    def worker_main(self, argv: Sequence[str] | None = None) -> int:
        """``umbel worker`` with these arguments (default: the program's own); returns its exit status.

        ``argv`` names the command, as in Celery: ``["worker", "-l", "INFO"]``. Raises ``ValueError`` if it does not.
        """
        arguments = list(sys.argv[1:] if argv is None else argv)
        if "worker" not in arguments:
            raise ValueError(f"worker_main() is for the command 'worker', which is not in {arguments!r}")
        return self._run(arguments)

    def start(self, argv: Sequence[str] | None = None) -> None:
        """The command line for this app, with these arguments (default: the program's own). Exits with its status."""
        sys.exit(self._run(list(sys.argv[1:] if argv is None else argv)))

    def _run(self, arguments: list[str]) -> int:
        status: int = above("command line")(self, arguments)
        return status
