"""The caretaker of a worker without a supervisor (``solo``): rescues what the dead have left, and prunes. Runs no task.

It has a loop on a thread of its own and a consumer of its own, as a supervisor has: a task of an hour keeps nobody who
died meanwhile waiting. User code (hooks of what it settles) runs beside that loop.
"""

import asyncio
import logging
import secrets

from umbel.app.application import Umbel
from umbel.core.delivery import ConsumerId
from umbel.core.errors import OperationalError
from umbel.runtime import system
from umbel.runtime.aside import Aside
from umbel.runtime.unpatched import Flag, Loop, start
from umbel.worker.plan import Plan
from umbel.worker.pruning import prune
from umbel.worker.rescuer import AWAY, Rescuer
from umbel.worker.supervisor import PRUNE_EVERY, RESCUE_EVERY
from umbel.worker.sweeper import Sweeper

logger = logging.getLogger("umbel.worker")


class Caretaker:
    """One worker's. ``start`` and ``stop`` from the thread that owns it."""

    def __init__(self, app: Umbel, plan: Plan) -> None:
        self._app = app
        self._plan = plan
        self._clock = app.clock
        broker = app.broker
        self.id = ConsumerId(secrets.token_hex(16))
        self._consumer = broker.consumer(self.id, node=plan.nodename, queues=())
        self._keeper = broker.keeper(self._consumer)
        self._every = plan.lease / 4 if broker.features.liveness == "clock" else RESCUE_EVERY
        self._ended = Flag()
        self._looping = Flag()

    def start(self) -> None:
        """Begin, and return when the loop runs."""
        start(self._main, "umbel-caretaker")
        self._looping.wait()

    def stop(self) -> None:
        """End, and wait for it: what was taken over and is not settled goes back."""
        try:
            self._loop.call_soon_threadsafe(self._stopping.set)
        except RuntimeError:
            pass  # it has ended by itself, and said why
        self._ended.wait()

    def _main(self) -> None:
        system.block_signals()
        try:
            with asyncio.Runner(loop_factory=Loop) as runner:
                runner.run(self._run())
        except Exception:
            logger.exception("Nobody is rescued here any more because of an error in Umbel itself")
        finally:
            self._looping.set()
            self._ended.set()

    async def _run(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._looping.set()
        rescuer = Rescuer(self._app, self._plan, self._consumer, self._keeper, Aside())
        sweeper, is_open, prune_at = Sweeper(self._app), False, self._clock.monotonic()
        while not self._stopping.is_set():
            try:
                if not is_open:
                    await rescuer.reopen()
                    is_open = True
                await self._consumer.renew(())
                if count := await rescuer.rescue():
                    logger.warning("Rescued %d messages of lost workers", count)
                if self._clock.monotonic() >= prune_at:
                    prune_at = self._clock.monotonic() + PRUNE_EVERY
                    await prune(self._keeper, self._app.store, self._clock)
                    await sweeper.sweep()
            except AWAY as error:
                logger.warning("%s", error)
                is_open = False
            await self._rest()
        await self._leave()

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), self._every)
        except TimeoutError:
            pass

    async def _leave(self) -> None:
        try:
            await self._consumer.close()
        except OperationalError as error:
            logger.warning("The worker could not take its leave of the broker: %s", error)
        await self._keeper.close()
        if self._app.store is not None:
            await self._app.store.close()
