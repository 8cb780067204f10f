"""The lane of ``asyncio``: ``async def`` tasks on the main thread's loop, plain functions on threads beside it.

A coroutine that blocks blocks all others. The limiter, a thread of its own, still ends those whose hard limit passes,
interrupts the one that blocks when its own soft limit does, and says who it is.
"""

import asyncio
import contextvars
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from inspect import iscoroutine, iscoroutinefunction
from types import FrameType
from typing import Any

from umbel.app.application import Umbel
from umbel.app.execution import aexecute
from umbel.app.request import Context
from umbel.app.tracing import SEAM
from umbel.core.delivery import Settled, Verdict
from umbel.core.errors import SoftTimeLimitExceeded
from umbel.core.outcome import Outcome
from umbel.runtime.eventloop import new_loop
from umbel.runtime.unpatched import get_ident
from umbel.worker.awaiting import Awaiting, Interruptible, SoftCancelled
from umbel.worker.hand import Hand, Held, Place
from umbel.worker.lane import Answer
from umbel.worker.limits import as_limit
from umbel.worker.plan import Plan
from umbel.worker.prefork import thread_waiter
from umbel.worker.readahead import ReadAhead
from umbel.worker.runner import end_child
from umbel.worker.strikes import Strike
from umbel.worker.wide import PumpLane, WideRunner

LAST_WORDS = 1.0
"""Seconds that what tasks left running on the loop has, to clean up when the process ends."""
INTERRUPTS = hasattr(signal, "pthread_kill") and hasattr(signal, "SIGALRM")
MOST_THREADS = 10_000
"""Plain functions have a thread each; how many there are is bounded by the places."""


class CoroutineLane(PumpLane):
    """Tasks as coroutines of one loop."""

    def __init__(self, app: Umbel, plan: Plan, hand: Hand, ahead: ReadAhead) -> None:
        super().__init__(app, plan, hand, ahead)
        self.threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="umbel")
        self.loop: asyncio.AbstractEventLoop
        self._ended: asyncio.Event
        self._by_task: dict[asyncio.Task[None], CoroutineRunner] = {}
        self._pumps = False

    def run(self) -> None:
        """Run the loop until the hand is closed."""
        self.loop = new_loop(self.plan.event_loop)
        main = self.loop.create_task(self._main())
        try:
            while not main.done():
                # Of something that a task left running on the loop: asyncio would end with it.
                with suppress(SystemExit, KeyboardInterrupt):
                    self.loop.run_until_complete(main)
            main.result()
        finally:
            if not asyncio.all_tasks(self.loop):  # else the end of the process ends them
                self.loop.close()

    async def _main(self) -> None:
        self._ended = asyncio.Event()
        self.hand.wake_lane = self._wake
        self.pulse = self._ask
        if INTERRUPTS and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGALRM, self._alarmed)
        self.limiter.start(get_ident())
        self.pump()
        await self._ended.wait()
        mine = asyncio.current_task()
        if left := [task for task in asyncio.all_tasks() if task is not mine]:
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=LAST_WORDS)

    def _wake(self) -> None:
        self.loop.call_soon_threadsafe(self.pump)

    def _ask(self, beat: Callable[[], None]) -> None:
        self.loop.call_soon_threadsafe(beat)

    def begin(self, place: Place, held: Held) -> bool:
        """As a task of the loop."""
        runner = CoroutineRunner(self, place, held)
        if not runner.admitted():
            return False
        runner.task = self.loop.create_task(runner.drive(), context=self.context.copy())
        self._by_task[runner.task] = runner
        return True

    def close(self) -> None:
        """The loop may end."""
        self._ended.set()

    def forget(self, task: asyncio.Task[None]) -> None:
        """A task of ours has ended: another one may have the place."""
        self._by_task.pop(task, None)
        if not self._pumps:  # once for all that end in one turn of the loop
            self._pumps = True
            self.loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pumps = False
        self.pump()

    def free(self) -> None:
        """As the lane says."""
        super().free()
        self.threads.shutdown(wait=False)

    def waiter(self) -> tuple[Answer, Callable[[], Any]]:
        """For plain functions, on their threads. Coroutines await a future instead."""
        return thread_waiter()

    def aside(self, work: Callable[[], None]) -> None:
        """On a thread of its own."""
        self.threads.submit(work)

    def culprit(self) -> "CoroutineRunner | None":
        """The task whose step the loop is in."""
        task = asyncio.current_task(self.loop)
        return None if task is None else self._by_task.get(task)

    def _alarmed(self, number: int, frame: FrameType | None) -> None:
        """The limiter found a task past its soft limit that lets the loop do nothing else: raise it inside, here."""
        runner = self.culprit()
        if runner is not None and runner.can_be_struck() and self.clock.monotonic() >= runner.soft_at:
            runner.struck = True
            raise SoftTimeLimitExceeded(runner.soft)


class CoroutineRunner(WideRunner):
    """One message in one task of the loop."""

    def __init__(self, lane: CoroutineLane, place: Place, held: Held) -> None:
        super().__init__(lane, place, held)
        self._lane = lane
        self.task: asyncio.Task[None]
        self.struck = False
        self._code: Interruptible | None = None
        self._strike: Strike | None = None
        self._on_a_thread = False
        """Code of the task runs on a thread, which a cancellation does not end."""

    async def drive(self) -> None:
        """To the settlement."""
        try:
            call = self.lane.decoded(self.held, self.message)
            if self.traits.traced is not None:
                SEAM.unable(self.traits, self.nodename)
            self.settle(
                await aexecute(self.traits, call, call.args, call.kwargs, self) if isinstance(call, Context) else call
            )
        except BaseException as error:  # noqa: BLE001
            if not self.over:
                self.fell(self.traits, self.message, error)
        finally:
            self.done()
            self._lane.forget(self.task)

    async def acall(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A coroutine on this loop, anything else on a thread."""
        if iscoroutinefunction(function):
            value = function(*args, **kwargs)
        else:
            value = await self._on_thread(function, args, kwargs)
        if iscoroutine(value):
            self._code = Interruptible(value, self._lane.loop)
            try:
                value = await self._code.main()
            except SoftCancelled as error:
                raise as_limit(error) from error.__cause__
            finally:
                self._code = None
        if self.lane.forked:
            end_child(None)
        return value

    async def _on_thread(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        self._strike = strike = Strike(Awaiting())
        self._on_a_thread = True
        context = contextvars.copy_context()
        try:
            return await self._lane.loop.run_in_executor(
                self._lane.threads, context.run, self._struck_call, strike, function, args, kwargs
            )
        finally:
            self._strike = None

    def _struck_call(self, strike: Strike, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """On the thread. A coroutine that the function returned is for the loop."""
        try:
            value = strike.call(function, args, kwargs, awaits=False)
        except BaseException as error:
            if self.lane.forked:
                end_child(error)
            raise
        finally:
            self._on_a_thread = False
            self.wide.lingering.discard(self)
        if self.lane.forked:
            end_child(None)
        return value

    def done(self) -> None:
        """As ``WideRunner.done``; but a thread that was abandoned runs on."""
        super().done()
        if self.abandoned and self._on_a_thread:
            self.wide.lingering.add(self)
            if not self._on_a_thread:  # it has ended meanwhile
                self.wide.lingering.discard(self)

    def can_be_struck(self) -> bool:
        """Whether its own code runs, and has not been struck yet."""
        return self._code is not None and not self.struck

    async def ashow(self, outcome: Outcome) -> bool:
        """As ``Runner.show``."""
        finished = None if self.over else self.showing(outcome)
        if finished is None:
            return not self.over
        answered: asyncio.Future[Verdict] = self._lane.loop.create_future()

        def settle(verdict: Verdict) -> None:
            if not answered.done():
                answered.set_result(verdict)

        def answer(verdict: Verdict) -> None:
            self._lane.loop.call_soon_threadsafe(settle, verdict)

        finished.answer = answer
        self.lane.hand.finished.append(finished)
        self.lane.hand.flush()
        return isinstance(await answered, Settled)

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Nothing here runs user code without awaiting it."""
        raise NotImplementedError

    # On the limiter's thread ------------------------------------------------------------------------------------------

    def soft_over(self, soft: float) -> bool:
        """Cancel the coroutine with it, or strike the thread; a coroutine that blocks the loop, by a signal."""
        strike, code = self._strike, self._code
        if self.struck:
            return True
        if strike is not None:
            return strike.strike(soft)
        if code is None:
            return False
        if code.is_in_step():
            if INTERRUPTS:
                signal.pthread_kill(self.wide.limiter.main, signal.SIGALRM)
            return False  # the handler says so when it has raised
        self.struck = True
        code.interrupt_from_afar(SoftCancelled(soft))
        return True

    def abandon(self) -> None:
        """Cancel what awaits, and strike what computes on a thread."""
        self._lane.loop.call_soon_threadsafe(self._abandon)
        if self._strike is not None:
            self._strike.strike(self.hard_at - self.began)

    def _abandon(self) -> None:
        self.task.cancel()
        self.leave()
        self._lane.pump()
