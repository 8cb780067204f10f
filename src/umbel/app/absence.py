"""Says, once, that a result does not come because nobody works. Looks at the broker; changes nothing."""

import logging
from typing import TYPE_CHECKING

from umbel.core.errors import UmbelError

if TYPE_CHECKING:
    from umbel.app.application import Umbel

log = logging.getLogger("umbel")

PATIENCE = 2.0  # seconds
LOOKS_FOR = 5.0


class Absence:
    """The watch of one wait, for a call that went to ``queue`` (None: not known, so nothing is said)."""

    def __init__(self, app: "Umbel", queue: str | None) -> None:
        self.app = app
        self.queue = queue

    def due(self, waited: float) -> bool:
        """Whether it is time to look, after ``waited`` seconds in which nothing was heard of the call."""
        return self.queue is not None and waited >= PATIENCE

    def look(self, within: float | None) -> None:
        """Look once whether anybody reads the queue; if not, and nobody was told before, say so.

        Blocks, at most ``within`` seconds.
        """
        queue, self.queue = self.queue, None
        if queue is None or queue in self.app.said_absent:
            return
        try:
            depths = self.app.sync_producer.survey(
                [queue], deadline=LOOKS_FOR if within is None else min(within, LOOKS_FOR)
            )
        except UmbelError:
            return  # the wait itself will say what is wrong with the broker
        if not any(depth.consumers for depth in depths):
            self.app.said_absent.add(queue)
            log.warning("%s", advice(self.app, queue))


def advice(app: "Umbel", queue: str) -> str:
    """Which queue nobody reads, where it is, and the command to change that."""
    where = f"no worker reads queue {queue!r} of {app.broker.url}"
    if app.broker.features.reach == "process":
        return f"{where}, and no other process can: set broker_url to what processes can share"
    chosen = "" if queue in app.queues_by_name else f" -Q {queue}"
    return f"{where}; start one:  umbel -A {app.import_name} worker{chosen}"
