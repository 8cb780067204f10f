"""What each kind of fault does to a fleet. A fault is written into the ledger before it is done."""

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

from tests.crash.fleet import LEASE, PUBLISH_TIMEOUT, Fleet
from tests.crash.schedule import Strike
from tests.redis.load import signal_all, whole
from umbel.runtime.clock import SYSTEM
from umbel.testing.failpoints import arm

SOON = 30.0
"""Seconds within which a fleet under load gets to whatever a strike waits for."""
PAST_THE_LEASE = 1.3 * LEASE
PROVOKE = 0.7
"""Seconds between two attempts to give a fleet something to do at a step where it is to be struck."""


OUTAGES = frozenset(
    {"delayed-bytes", "dropped-bytes", "server-kill", "server-stop", "server-freeze", "fail-over", "freeze-all"}
)
"""Kinds for which nobody can renew, for a while."""
RESCUERS = frozenset({"kill-worker", "freeze-worker", "freeze-supervisor", "failpoint-rescued"})
"""Kinds that strike those who rescue. (On lane solo, whoever runs tasks rescues, too.)"""


class Striker:
    """Strikes one fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.place: Any = fleet.place
        self._provoke_at = 0.0

    def strike(self, strike: Strike) -> None:
        """Do it. Returns when it is done, or when what is left of it is put off."""
        kind = strike.kind
        if kind in OUTAGES:
            self._calm()
        if kind in RESCUERS or self.fleet.lane == "solo":
            self._staffed()
        if kind.startswith("failpoint-"):
            self._failpoint(kind.removeprefix("failpoint-"))
        elif kind == "kill-process" and self.fleet.lane == "solo":
            self._kill_worker(strike)
        elif kind in ("exits", "segfaults", "limits", "grows"):
            self._task_that(kind)
        else:
            doing: Callable[[Strike], None] = getattr(self, "_" + kind.replace("-", "_"))
            doing(strike)

    def _staffed(self) -> None:
        """Somebody who can rescue is left."""
        with suppress(AssertionError):
            self.fleet.wait(lambda: not self.fleet.busy and self.fleet.all_work(), SOON, "every worker works")

    def _calm(self) -> None:
        """Whoever was struck is rescued, and everybody else has renewed: each outage is shorter than a lease."""
        with suppress(AssertionError):
            self.fleet.wait(
                lambda: not self.fleet.busy and self.place.is_calm(), 3 * LEASE + 2, "everybody has renewed"
            )

    # Processes --------------------------------------------------------------------------------------------------------

    def _victim(self, choice: float) -> int:
        """A process that runs something at this moment."""
        fleet = self.fleet
        fleet.wait(fleet.running, SOON, "something runs")
        found = fleet.running()
        return found[int(choice * len(found))]

    def _worker(self, choice: float) -> Any:
        """A worker of which a process runs something."""
        fleet = self.fleet

        def busy() -> list[Any]:
            running = set(fleet.running())
            return [worker for worker in fleet.workers if running & set(whole(worker))]

        fleet.wait(busy, SOON, "a worker runs something")
        found = busy()
        return found[int(choice * len(found))]

    def _note(self, kind: str, *pids: int, slots: int, **facts: object) -> None:
        self.fleet.ledger.note("fault", kind, pids=",".join(map(str, pids)), slots=slots, **facts)

    def _kill_process(self, strike: Strike) -> None:
        pid = self._victim(strike.choice)
        self._note(strike.kind, pid, slots=self.fleet.width, dies=1)
        signal_all([pid], signal.SIGKILL)

    def _kill_worker(self, strike: Strike) -> None:
        """Its supervisor, which for solo is the process that runs tasks."""
        worker = self._worker(strike.choice)
        self._note(strike.kind, *whole(worker), slots=self.fleet.slots, rescuers=1)
        worker.signal(signal.SIGKILL)
        worker.process.wait()

    def _kill_caller(self, strike: Strike) -> None:
        fleet = self.fleet
        fleet.call_some()
        self._note(strike.kind, fleet.caller.pid, slots=0, stroke="kill")
        fleet.caller.kill()
        fleet.caller.wait()

    def _freeze_process(self, strike: Strike) -> None:
        pid = self._victim(strike.choice)
        self._note(strike.kind, pid, slots=self.fleet.width)
        signal_all([pid], signal.SIGSTOP)
        self.fleet.later(PAST_THE_LEASE, lambda: signal_all([pid], signal.SIGCONT))

    def _freeze_worker(self, strike: Strike) -> None:
        """All of it. The supervisor goes on last, and ends what it finds stopped."""
        pids = whole(self._worker(strike.choice))
        self._note(strike.kind, *pids, slots=self.fleet.slots, rescuers=1)
        signal_all(pids, signal.SIGSTOP)
        self.fleet.later(PAST_THE_LEASE, lambda: signal_all(pids[::-1], signal.SIGCONT))

    def _freeze_supervisor(self, strike: Strike) -> None:
        """Its processes renew for themselves: it may cost no duplicate."""
        worker = self._worker(strike.choice)
        over = ",".join(map(str, worker.descendants()))
        self._note(strike.kind, worker.process.pid, slots=0, stroke="stop", rescuers=1, over=over)
        worker.signal(signal.SIGSTOP)
        self.fleet.later(PAST_THE_LEASE, lambda: worker.signal(signal.SIGCONT))

    def _freeze_all(self, strike: Strike) -> None:
        """Nobody can renew: who goes on first must not rescue the others."""
        fleet = self.fleet
        fleet.wait(lambda: fleet.running() and not fleet.busy, SOON, "work goes on")
        pids = [pid for worker in fleet.workers for pid in whole(worker)]
        self._note(strike.kind, *pids, slots=fleet.slots * fleet.size, rescuers=1)
        signal_all(pids, signal.SIGSTOP)
        fleet.pause(PAST_THE_LEASE)
        signal_all(pids[::-1], signal.SIGCONT)

    def _rolling_restart(self, strike: Strike) -> None:
        """Each worker in turn, under load, from one configuration to the other: it may cost no duplicate."""
        fleet = self.fleet
        configuration = "new" if strike.choice < 0.5 else "old"
        fleet.wait(lambda: not fleet.busy, SOON, "nobody is frozen")
        self._note(strike.kind, slots=0)
        for worker in list(fleet.workers):
            worker.signal(signal.SIGTERM)
            fleet.wait(lambda one=worker: one.process.poll() is not None, SOON, "a worker stops")  # type: ignore[misc]
            with suppress(ValueError):
                fleet.workers.remove(worker)
            if len(fleet.workers) < fleet.size:
                fleet.hire(configuration)

    # Tasks and steps --------------------------------------------------------------------------------------------------

    def _task_that(self, how: str) -> None:
        fleet = self.fleet
        before = fleet.struck[how]
        fleet.order("breaks", how, fleet.width)
        fleet.wait(lambda: fleet.struck[how] > before, SOON, f"a task {how}")

    def _failpoint(self, point: str) -> None:
        fleet, kind = self.fleet, f"failpoint-{point}"
        before = fleet.struck[kind]
        self._provoke_at = 0.0
        arm(fleet.failpoints, point, slots=fleet.slots if point == "rescued" else fleet.width)
        fleet.wait(lambda: self._provoked(point, before), 2 * SOON, f"{kind}, at {before}")

    def _provoked(self, point: str, before: int) -> bool:
        """See to it that there is something to do at that step; whether it was reached."""
        fleet = self.fleet
        if fleet.struck[f"failpoint-{point}"] > before:
            return True
        now = SYSTEM.monotonic()
        if now > self._provoke_at:
            self._provoke_at = now + PROVOKE
            self._provoke(point)
        return False

    def _provoke(self, point: str) -> None:
        fleet = self.fleet
        if point == "buried":
            fleet.order("refuses")
        elif point == "parked":
            for _ in range(3):
                fleet.order("limited")
        elif point == "promoted":
            fleet.order("work", 0.02, countdown=0.2)
        elif point.startswith(("member", "join", "body")):
            fleet.call_chord()
        elif point == "rescued" and fleet.running():
            self._provoke_at += 2 * LEASE
            self.strike(Strike("kill-process", 0.5))

    # The way to the server --------------------------------------------------------------------------------------------

    def _outage(self, kind: str, during: AbstractContextManager[Any], seconds: float) -> None:
        self._note(kind, slots=0, outage=1)
        with during:
            self.fleet.pause(seconds)
        self.fleet.ledger.note("mended", kind)

    def _cut_up(self, strike: Strike) -> None:
        self._cut(strike, "up")

    def _cut_down(self, strike: Strike) -> None:
        self._cut(strike, "down")

    def _cut(self, strike: Strike, way: str) -> None:
        proxy = self.place.callers if strike.choice < 0.2 else self.place.workers
        before = proxy.cuts[way]
        self._note(strike.kind, slots=0)
        proxy.cut(1, way)
        self.fleet.wait(lambda: proxy.cuts[way] > before, SOON, "a connection is cut")

    def _delayed_bytes(self, strike: Strike) -> None:
        """Slower than workers are patient, or not quite."""
        self._note(strike.kind, slots=0, outage=1)
        self.place.workers.delay = 0.1 + strike.choice
        self.fleet.pause(1.0)
        self.place.workers.delay = 0.0
        self.fleet.ledger.note("mended", strike.kind)

    def _dropped_bytes(self, strike: Strike) -> None:
        self._note(strike.kind, slots=0, outage=1)
        self.place.workers.drops = True
        self.fleet.pause(0.3 + strike.choice)
        self.place.workers.drops = False
        self.fleet.ledger.note("mended", strike.kind)

    def _publish_timeout(self, strike: Strike) -> None:
        """Callers get no answer for longer than a call may take."""
        fleet = self.fleet
        fleet.call_some()
        self._outage(strike.kind, self.place.unheard(), PUBLISH_TIMEOUT + 0.8)

    # The server -------------------------------------------------------------------------------------------------------

    def _server_kill(self, strike: Strike) -> None:
        self._note(strike.kind, slots=0, outage=1)
        self.place.master.restart()
        self.fleet.ledger.note("mended", strike.kind)

    def _server_stop(self, strike: Strike) -> None:
        self._note(strike.kind, slots=0, outage=1)
        self.place.master.stop()
        self.fleet.pause(0.5 + strike.choice)
        self.place.master.start()
        self.fleet.ledger.note("mended", strike.kind)

    def _server_freeze(self, strike: Strike) -> None:
        self._note(strike.kind, slots=0, outage=1)
        self.place.master.freeze()
        self.fleet.pause(PAST_THE_LEASE)
        self.place.master.thaw()
        self.fleet.ledger.note("mended", strike.kind)

    def _fail_over(self, strike: Strike) -> None:
        self.fleet.wait(self.place.ready_to_fail_over, SOON, "the replica is in step")
        self._note(strike.kind, slots=0, outage=1)
        self.place.fail_over(self.fleet.wait)
        self.fleet.ledger.note("mended", strike.kind)

    def _foreign_lock(self, strike: Strike) -> None:
        self._outage(strike.kind, self.place.locked(), 0.3 + strike.choice / 2)

    def _full_disk(self, strike: Strike) -> None:
        self._outage(strike.kind, self.place.full(), 0.3 + strike.choice / 2)
