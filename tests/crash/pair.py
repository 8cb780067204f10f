"""One pair of adapter and lane under its schedule, from the first worker to the verdict. A program of its own.

python -m tests.crash.pair ADAPTER LANE --seed N --strikes N --tasks N --gap SECONDS --out FILE.json
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import traceback
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.crash.fleet import LEASE, PUBLISH_TIMEOUT, Fleet
from tests.crash.places import PLACES
from tests.crash.schedule import LEAST, Schedule, Strike, schedule
from tests.crash.strikes import SOON, Striker
from umbel.runtime.clock import SYSTEM
from umbel.testing.ledger import Ledger
from umbel.testing.verdict import Verdict, judge

BOUND = 1.5 * LEASE
"""Seconds within which what a fault interrupted is back."""
SEEN = 1.0
"""Seconds within which it is back if a supervisor saw the process end."""
GRACE = 2.0
"""Seconds more, because the machine is full: two processors run a whole fleet, its server and what strikes it."""
RAISES = PUBLISH_TIMEOUT + 1.0
WITNESSED = 0.2
"""Of the tasks, how many the witness sees acknowledged at least, also where the store is often away."""


class Pair:
    """``run`` gives the verdict. Its folder has the ledgers and what everybody said."""

    def __init__(self, adapter: str, lane: str, plan: Schedule, folder: Path, seed: int) -> None:
        self.adapter, self.lane, self.plan, self.folder = adapter, lane, plan, folder
        self.seed = seed
        self.verdicts: list[Verdict] = []
        self.said: list[str] = []

    def run(self, *, tasks: int, gap: float) -> None:
        """Both fleets."""
        self._fleet("main", lambda fleet: self._strike(fleet, tasks, gap))
        if self.plan.jumps:
            self._fleet("clock", self._jump, clock=True)

    def _fleet(self, name: str, under_fire: Any, *, clock: bool = False) -> None:
        folder = self.folder / name
        folder.mkdir()
        dice = random.Random(f"{self.seed} {self.adapter} {self.lane} {name}")
        with ExitStack() as stack:
            place = PLACES[self.adapter](folder, stack, LEASE)
            fleet = stack.enter_context(Fleet(folder, place, self.lane, dice, clock=clock))
            fleet.wait(lambda: len(fleet.ended) > 20, 2 * SOON, "the fleet works")
            under_fire(fleet)
            fleet.drain(120)
            self.said.append(fleet.farm.said())
        self.verdicts.append(judge(Ledger(folder / "ledger").read()))

    def _strike(self, fleet: Fleet, tasks: int, gap: float) -> None:
        striker = Striker(fleet)
        for strike in self.plan.strikes:
            if strike.kind not in fleet.place.missing:
                striker.strike(strike)
                fleet.pause(gap * fleet.dice.uniform(0.5, 1.5))
        for kind in self._too_rare(fleet):
            striker.strike(Strike(kind, fleet.dice.random()))
        fleet.wait(lambda: len(fleet.ended) >= tasks, 300, f"{tasks} tasks have ended")
        fleet.wait(lambda: not fleet.busy, SOON, "nobody is frozen")

    def _too_rare(self, fleet: Fleet) -> list[str]:
        """What met too many idle processes: once more each."""
        wanted = Counter(one.kind for one in self.plan.strikes if one.kind not in fleet.place.missing)
        reached = judge(fleet.entries).faults
        return [kind for kind, n in wanted.items() for _ in range(min(n, LEAST) - reached[kind])]

    def _jump(self, fleet: Fleet) -> None:
        for hours in self.plan.jumps:
            ended = len(fleet.ended)
            fleet.turn_clock(hours * 3600.0)
            fleet.wait(lambda: len(fleet.ended) > ended + 30, SOON, "work goes on")  # noqa: B023

    def problems(self, *, timed: bool = True) -> list[str]:
        """Everything that breaks a guarantee, and every error in Umbel itself. ``timed``: also what took too long."""
        bound = BOUND + GRACE if timed else None
        seen = SEEN + GRACE if timed and self.lane != "solo" else None
        found = [problem for verdict in self.verdicts for problem in verdict.problems(recovery=bound, seen=seen)]
        slow = max((verdict.slowest_raise for verdict in self.verdicts), default=0.0)
        if timed and slow > RAISES:
            found.append(f"a call raised after {slow:.2f} s, allowed are {RAISES:.2f}")
        for verdict in self.verdicts:
            if verdict.witnessed < verdict.tasks * WITNESSED:
                found.append(f"of {verdict.tasks} tasks {verdict.witnessed} were seen acknowledged: that proves little")
        return found + [error for said in self.said for error in internal_errors(said)]

    def row(self) -> dict[str, Any]:
        """What the table says of it."""
        faults: dict[str, int] = {}
        for verdict in self.verdicts:
            for kind, count in verdict.faults.items():
                faults[kind] = faults.get(kind, 0) + count
        return {
            "adapter": self.adapter,
            "lane": self.lane,
            "tasks": sum(verdict.tasks for verdict in self.verdicts),
            "faults": faults,
            "idle": sum(verdict.idle for verdict in self.verdicts),
            "lost": sum(len(verdict.lost) for verdict in self.verdicts),
            "duplicates": sum(verdict.duplicates for verdict in self.verdicts),
            "bound": sum(verdict.bound for verdict in self.verdicts),
            "recovery": round(max((verdict.slowest for verdict in self.verdicts), default=0.0), 2),
            "raise": max((verdict.slowest_raise for verdict in self.verdicts), default=0.0),
        }


def internal_errors(said: str) -> list[str]:
    """Errors in Umbel itself, but for those of a process whose memory had come to its end on purpose."""
    found = []
    for block in said.split("\n[")[1:]:
        exhausted = "MemoryError" in block or "can't start new thread" in block
        if "error in Umbel itself" in block and not exhausted:
            found.append(f"[{block}")
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("adapter")
    parser.add_argument("lane")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--strikes", type=int, default=170)
    parser.add_argument("--least", type=int, default=LEAST)
    parser.add_argument("--tasks", type=int, default=3000)
    parser.add_argument("--gap", type=float, default=0.5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def main() -> int:
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # nothing may be left behind
    plan = schedule(given.seed, given.adapter, given.lane, given.strikes, given.least)
    if given.only:
        chosen = tuple(one for one in plan.strikes if one.kind in given.only.split(","))
        plan = Schedule(chosen, plan.jumps if "clock-jump" in given.only else ())
    folder = given.folder or Path(tempfile.mkdtemp(prefix="crash-"))
    folder.mkdir(exist_ok=True, parents=True)
    pair = Pair(given.adapter, given.lane, plan, folder, given.seed)
    began, failed = SYSTEM.monotonic(), []
    try:
        pair.run(tasks=given.tasks, gap=given.gap)
    except Exception:  # noqa: BLE001  it is a problem like any other
        failed = [traceback.format_exc()]
    problems = failed + pair.problems()
    row = pair.row() | {"problems": problems, "seconds": round(SYSTEM.monotonic() - began), "folder": str(folder)}
    if given.out:
        given.out.write_text(json.dumps(row))
    print(json.dumps({name: value for name, value in row.items() if name != "problems"}, indent=1))  # noqa: T201
    for problem in problems:
        print(problem)  # noqa: T201
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
