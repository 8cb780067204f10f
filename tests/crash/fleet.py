"""A fleet under fire: workers of one lane on one adapter, fed by a program that calls, watched by its ledger.

Everything happens in ``pump``, which whoever waits calls again and again: what the ledger says is taken in, calls go
out, dead workers are replaced, greedy processes are ended, and what was put off is done when its time has come.
"""

import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.crash.places import Place
from tests.crash.subjects import GREED, MEGABYTE
from tests.worker.fleet import Farm, Worker
from umbel.cli.desk import ask
from umbel.core.errors import OperationalError
from umbel.runtime.clock import SYSTEM
from umbel.testing.failpoints import FOLDER
from umbel.testing.ledger import LEDGER, Entry, Ledger
from umbel.testing.witness import WITNESS

ROOT = Path(__file__).parents[2]
LEASE = float(os.environ.get("CRASH_LEASE", "3"))
"""Seconds. Short, so that many faults go into a run; what has to share two processors with others needs longer."""
PUBLISH_TIMEOUT = 1.0
BACKLOG = 24
"""How many calls wait or run beyond what the workers have room for."""
FEW = 50
"""Tasks that are left when everything else has ended: then it is worth while to look what became of them."""
SIZES = {"prefork": ("-c", "3"), "solo": ("-c", "1")}
WIDE = ("-c", "4", "--processes", "2")
WORKERS = {"solo": 3}
SETTINGS: dict[str, Any] = {
    "worker_lease": LEASE,
    "broker_publish_timeout": PUBLISH_TIMEOUT,
    "task_max_deliveries": 50,
    "beat_lease": 1.0,
    "worker_shutdown_timeout": 20,
}


class Fleet:
    """Used as a context. ``clock``: its wall time can be turned, and no beat runs."""

    def __init__(self, folder: Path, place: Place, lane: str, dice: random.Random, *, clock: bool = False) -> None:
        self.folder, self.place, self.lane, self.dice, self.clocked = folder, place, lane, dice, clock
        self.farm = Farm(folder, broker=place.look_url, backend=place.look_url)
        self.ledger = Ledger(self.farm.ledger)
        self.entries: list[Entry] = []
        self.open: dict[int, dict[str, Entry]] = {}
        """What runs, by process."""
        self.worked: set[int] = set()
        """Processes that have run something."""
        self.ended: set[str] = set()
        self.wanted: dict[str, str] = {}
        """The keys that were handed to the caller, and the ids of those whose results are read."""
        self.accepted: set[str] = set()
        self.workers: list[Worker] = []
        self.struck: Counter[str] = Counter()
        self.failpoints = folder / "failpoints"
        self.failpoints.mkdir()
        (folder / "marks").mkdir()
        self._clock_file = folder / "clock"
        self.offset = self._furthest = 0.0
        self._turn_to(0.0)
        self._number = 0
        self._look_at = 0.0
        self._orders: list[Any] = []
        self._later: list[tuple[float, Callable[[], None]]] = []
        self.start = round(SYSTEM.now() + 10)  # then somebody leads
        self._environments = self._make_environments()
        self.fed = True

    # What it is made of -----------------------------------------------------------------------------------------------

    @property
    def width(self) -> int:
        """Tasks that one process runs at once."""
        return 1 if self.lane in ("prefork", "solo") else 4

    @property
    def slots(self) -> int:
        """Tasks that one worker runs at once."""
        return {"prefork": 3, "solo": 1}.get(self.lane, 8)

    @property
    def size(self) -> int:
        """How many workers there are."""
        return WORKERS.get(self.lane, 2)

    def _make_environments(self) -> dict[str, dict[str, str]]:
        common = os.environ | {
            LEDGER: str(self.ledger.path),
            "CRASH_MARKS": str(self.folder / "marks"),
            "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "src")),
            "PYTHONUNBUFFERED": "1",
        }
        if self.clocked:
            common["CRASH_CLOCK"] = str(self._clock_file)
        settings = SETTINGS | {"broker_url": self.place.url, "result_backend": self.place.url}
        if not self.clocked:
            due = {"start": _iso(self.start), "catch_up": "all"}
            settings["beat_schedule"] = {"tick": {"task": "tests.crash.subjects.tick", "schedule": 0.5, **due}}
        calling = settings | {"broker_url": self.place.caller_url, "result_backend": self.place.caller_url}
        watched = common | {WITNESS: "1", FOLDER: str(self.failpoints)}
        other = settings | {"worker_prefetch_multiplier": 2, "worker_lease": LEASE * 1.25}
        return {
            "old": watched | {"CRASH_SETTINGS": json.dumps(settings)},
            "new": watched | {"CRASH_SETTINGS": json.dumps(other)},
            "caller": common | {"CRASH_SETTINGS": json.dumps(calling)},
        }

    def hire(self, configuration: str = "old") -> Worker:
        """Another worker; it may not be ready yet."""
        self.farm.environment = self._environments[configuration]
        beat = () if self.clocked else ("-B",)
        size = SIZES.get(self.lane, WIDE)
        named = ("-n", f"w{len(self.farm.workers)}@crash")
        command = [sys.executable, "-m", "umbel", "-A", "tests.crash.subjects", "worker", "-l", "WARNING"]
        worker = self.farm.worker(*(), ready=False, command=[*command, "-P", self.lane, *size, *beat, *named])
        self.workers.append(worker)
        return worker

    def _hire_caller(self) -> None:
        log = (self.folder / "caller.log").open("ab")
        command = [sys.executable, "-m", "tests.crash.caller"]
        self.caller = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=self._environments["caller"], cwd=ROOT
        )
        log.close()
        for order in self._orders:
            self._send(order)

    def _end_caller(self) -> None:
        self.caller.kill()
        self.caller.wait()
        assert self.caller.stdin is not None
        with suppress(BrokenPipeError):
            self.caller.stdin.close()

    def _send(self, order: Any) -> None:
        assert self.caller.stdin is not None
        try:
            self.caller.stdin.write(json.dumps(order).encode() + b"\n")
            self.caller.stdin.flush()
        except BrokenPipeError:
            pass  # it is called again by the next one

    def __enter__(self) -> "Fleet":
        self._app = self.farm.app()
        self.app = self._app.__enter__()
        self._hire_caller()
        for _ in range(self.size):
            self.hire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end_caller()
        self._app.__exit__(None, None, None)
        for worker in self.farm.workers:
            worker.end()

    # Waiting ----------------------------------------------------------------------------------------------------------

    def wait(self, fact: Callable[[], object], within: float, what: str) -> None:
        """Pump until it is so. Raises ``AssertionError``."""
        end = SYSTEM.monotonic() + within
        while not fact():
            if SYSTEM.monotonic() > end:
                raise AssertionError(f"not within {within:g} s: {what}")
            self.pump()
            time.sleep(0.01)  # noqa: TID251  the pause between two looks

    def pause(self, seconds: float) -> None:
        """Pump for so long: the gap between two faults."""
        end = SYSTEM.monotonic() + seconds
        self.wait(lambda: SYSTEM.monotonic() > end, seconds + 60, "time passes")

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do it then."""
        self._later.append((SYSTEM.monotonic() + seconds, action))

    @property
    def busy(self) -> bool:
        """Whether something is put off."""
        return bool(self._later)

    def pump(self) -> None:
        """See the module."""
        for entry in self.ledger.read():
            self._take(entry)
        now = SYSTEM.monotonic()
        due = [one for one in self._later if one[0] <= now]
        self._later = [one for one in self._later if one[0] > now]
        for _, action in due:
            action()
        if self.caller.poll() is not None:
            self._end_caller()
            self._hire_caller()
        self.workers = [worker for worker in self.workers if worker.process.poll() is None]
        while len(self.workers) < self.size and self.fed:
            self.hire()
        if self.fed:
            self._feed()

    def _take(self, entry: Entry) -> None:
        self.entries.append(entry)
        if entry.verb == "start":
            self.open.setdefault(entry.pid, {})[entry.key] = entry
            self.worked.add(entry.pid)
        elif entry.verb in ("end", "left"):
            self.open.get(entry.pid, {}).pop(entry.key, None)
            self.ended.add(entry.key)
        elif entry.verb == "called":
            self.accepted.add(entry.key)
            self._orders = [order for order in self._orders if _first_key(order) != entry.key]
        elif entry.verb == "hungry":
            self._end_greedy(entry.pid)
        elif entry.verb == "fault":
            self.struck[entry.key] += 1
            for pid in entry.pids if entry.facts.get("stroke") == "kill" else ():
                self.open.pop(pid, None)

    def _end_greedy(self, pid: int) -> None:
        """As a cgroup with a limit on its memory does."""
        try:
            size = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            if size > GREED * MEGABYTE:
                self.ledger.note("fault", "grows", pids=pid, slots=self.width, dies=1)
                os.kill(pid, signal.SIGKILL)
        except OSError:
            pass

    def all_work(self) -> bool:
        """Whether every worker has got so far that it ran something: then there is somebody to rescue others."""
        return len(self.workers) == self.size and all(
            self.worked & {worker.process.pid, *worker.descendants()} for worker in self.workers
        )

    def running(self) -> list[int]:
        """Processes that run something, and live."""
        self.open = {pid: tasks for pid, tasks in self.open.items() if tasks and Path(f"/proc/{pid}").exists()}
        return sorted(self.open)

    # Calls ------------------------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        waiting = len(self.wanted.keys() - self.ended)
        if waiting < BACKLOG + self.slots * self.size and len(self._orders) < 4:
            self.call_some()

    def call_some(self) -> None:
        """Some more of everything."""
        for number in range(6):
            self.order("work_async" if number == 0 else "work", round(self.dice.uniform(0.05, 0.3), 3), flush=False)
        self.order("work", 0.05, flush=False, countdown=round(self.dice.uniform(0.2, 1.0), 2))
        self.order(self.dice.choice(("again", "limited", "fails", "refuses")), flush=True)
        if self.dice.random() < 0.5:
            self.call_chord()

    def order(self, task: str, *args: Any, flush: bool = True, **options: Any) -> str:
        """Have one called: with those that wait to go out with it."""
        key, id = self._key(), f"{self.dice.getrandbits(128):032x}"
        facts: dict[str, Any] = {"id": id}
        if task in ("fails", "refuses"):
            facts["expect"] = {"fails": "FAILURE", "refuses": "dead"}[task]
        keys = [(key, facts), (f"{key}-again", {})] if task == "again" else [(key, facts)]
        self.wanted |= {name: id if name == key else "" for name, _ in keys}
        self._part = [*getattr(self, "_part", []), self._call(task, key, args, id, options, keys)]
        if flush:
            part, self._part = self._part, []
            self._orders.append(part)
            self._send(part)
        return key

    @staticmethod
    def _call(task: str, key: str, args: tuple[Any, ...], id: str, options: Any, keys: Any) -> dict[str, Any]:
        return {"task": task, "args": [key, *args], "options": {"task_id": id, **options}, "keys": keys}

    def call_chord(self) -> None:
        """A chord of three."""
        key = self._key()
        members = [f"{key}-{letter}" for letter in "abc"]
        self.wanted |= dict.fromkeys((key, *members), "")
        order = {"key": key, "members": members, "seconds": 0.05}
        self._orders.append(order)
        self._send(order)

    def _key(self) -> str:
        self._number += 1
        return f"{'c' if self.clocked else 't'}{self._number}"

    # The clock --------------------------------------------------------------------------------------------------------

    def _turn_to(self, offset: float) -> None:
        self.offset = offset
        if not self._clock_file.exists():
            self._clock_file.write_bytes(struct.pack("d", 0.0))
        with self._clock_file.open("r+b") as file:
            file.write(struct.pack("d", offset))

    def turn_clock(self, seconds: float) -> None:
        """Wall time jumps for everybody."""
        self.ledger.note("fault", "clock-jump", slots=0, seconds=seconds)
        self.struck["clock-jump"] += 1
        self._turn_to(self.offset + seconds)
        self._furthest = max(self._furthest, self.offset)

    # The end ----------------------------------------------------------------------------------------------------------

    def drain(self, within: float) -> None:
        """No more faults: wait until everything that was called has ended, then stop the workers in peace."""
        for token in self.failpoints.iterdir():
            token.unlink()
        ticks = [] if self.clocked else self._due_ticks()
        for key in ticks:
            self.ledger.note("call", key)
            self.ledger.note("called", key)
        calling = self.wanted.keys()
        if self.clocked:
            self.turn_clock(self._furthest - self.offset + 7200)  # what waits for a time that was far ahead
        self._feeding_stops()
        left: set[str] = set()

        def all_ended() -> bool:
            left.clear()
            left.update((calling | set(ticks)) - self.ended)
            if left and len(left) < FEW and SYSTEM.monotonic() > self._look_at:
                self._look_at = SYSTEM.monotonic() + 3
                self._take_failures(left)
            return not left and not self._orders

        try:
            self.wait(all_ended, within, "everything that was called has ended")
        except AssertionError:
            pass  # the checker says what is lost
        self._see_results(within)
        self.fed = False
        for worker in self.workers:
            worker.signal(signal.SIGTERM)
        for worker in list(self.workers):
            self.wait(lambda w=worker: w.process.poll() is not None, 40, "a worker stops")  # type: ignore[misc]
        self.pump()

    def _take_failures(self, keys: set[str]) -> None:
        """What failed before its code ran wrote nothing."""
        ids = {self.wanted[key]: key for key in keys if self.wanted.get(key)}
        with suppress(Exception):
            for id, record in self.app.store.sync.read(list(ids)).items():
                if record.status == "FAILURE":
                    self.ended.add(ids[id])

    def _feeding_stops(self) -> None:
        self._feed = lambda: None  # type: ignore[method-assign]

    def _due_ticks(self) -> list[str]:
        until = SYSTEM.now() - 1
        count = int((until - self.start) / 0.5) + 1
        return [f"tick@{round((self.start + number * 0.5) * 1000)}" for number in range(max(0, count))]

    def _see_results(self, within: float) -> None:
        """Read every result, and the dead letters: what is there goes into the ledger."""
        ids = {id: key for key, id in self.wanted.items() if id}
        with suppress(AssertionError):  # the checker says whose result is missing
            self.wait(self._is_settled, within / 8, "the last ones are settled")
        self.wait(lambda: self._look(ids), within / 4, "results can be read")

    def _is_settled(self) -> bool:
        """A task writes its end before its process settles."""
        with suppress(OperationalError):
            return not self.farm.depth().claimed
        return False

    def _look(self, ids: dict[str, str]) -> bool:
        app = self.app
        names = list(ids)
        try:
            for first in range(0, len(names), 500):
                part = names[first : first + 500]
                for id, record in app.store.sync.read(part).items():
                    self.ledger.note("seen", ids[id], record.status)
            for letter in ask(app, lambda keeper: keeper.dead(limit=10_000)):
                if letter.message is not None and letter.message.headers.id in ids:
                    self.ledger.note("seen", ids[letter.message.headers.id], "dead")
        except Exception as error:  # noqa: BLE001  it is away for the moment
            self.ledger.note("unseen", type(error).__name__)
            return False
        return True


def _first_key(order: Any) -> str:
    key: str = order["members"][0] if isinstance(order, dict) else order[0]["keys"][0][0]
    return key


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
