"""Pruning: deletes what has expired in broker and store, all of it, a bounded batch at a time."""

from umbel.broker.base import Keeper
from umbel.result.base import Store
from umbel.runtime.clock import Clock

BATCH = 1000
"""A verb that deletes so many may have left some."""
PAUSE = 0.02
"""Seconds between two batches: others want to write, too."""


async def prune(keeper: Keeper, store: Store | None, clock: Clock) -> None:
    """Raises ``OperationalError`` and ``BackendStoreError``."""
    while await keeper.prune() >= BATCH:
        await clock.sleep(PAUSE)
    while store is not None and await store.prune(BATCH) >= BATCH:
        await clock.sleep(PAUSE)
