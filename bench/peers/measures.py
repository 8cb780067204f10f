"""The measurements of one peer: each starts what it needs, on an empty server, and leaves nothing running."""

import json
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from peers import machine
from peers.environment import BENCH, path_of, variables
from peers.work import EVERY

Figures = dict[str, float]
AT_ONCE = 200
"""Naps that run at once."""
NAPS = 10_000
"""Naps in one measurement."""
WARM = 0.1
"""The part of a drain that is not counted, at its beginning."""
MOST = 600_000
"""Messages in one fill: about 600 MB."""


class Mark(NamedTuple):
    """When a mark was passed, and how long the tasks before it had a processor; in seconds."""

    at: float
    own: float


class PeerFailed(Exception):
    """A peer's process failed, or did not do what was asked. Says which and what it wrote."""


class Bench:
    """One server, one folder, and how long to measure."""

    def __init__(self, server: Any, folder: Path, *, seconds: float, short: bool) -> None:
        self.server, self.folder, self.seconds, self.short = server, folder, seconds, short
        self.redis = server.client()
        self.realtime = not short
        self.rates: dict[tuple[str, bool, str], float] = {}
        self.described: dict[str, dict[str, Any]] = {}
        self.loops = self.at_once = 0
        machine.put_ahead(server.process.pid, self.realtime)

    # The processes ----------------------------------------------------------------------------------------------------

    def environment(self, peer: str, results: bool) -> dict[str, str]:
        told = {"PEERS_REDIS": self.server.url(), "PEERS_RESULTS": int(results), "PEERS_MARKS": self.marks_of(peer)}
        return variables(peer, **told, PEERS_LOOPS=self.loops, PEERS_AT_ONCE=self.at_once)

    def marks_of(self, peer: str) -> Path:
        return self.folder / f"{peer}.marks"

    def client(self, peer: str, *words: str, results: bool = False) -> dict[str, Any]:
        """Run the producer's side and return its figures."""
        return self.figures_of(peer, "peers.client", peer, *words, results=results)

    def figures_of(self, peer: str, module: str, *words: str, results: bool = False) -> dict[str, Any]:
        """Run a module of this package in the environment of a peer, and return what it prints."""
        line = machine.ahead([str(path_of(peer) / "python"), "-m", module, *words], self.realtime)
        done = subprocess.run(
            line,
            cwd=BENCH,
            env=self.environment(peer, results),
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        if done.returncode != 0:
            raise PeerFailed(f"{module} {' '.join(words)}: {done.stderr[-2000:]}")
        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return figures

    def describe(self, peer: str) -> dict[str, Any]:
        """The command of its worker, whether it has bulk, and its settings in words."""
        if peer not in self.described:
            self.described[peer] = self.client(peer, "describe")
        return self.described[peer]

    @contextmanager
    def worker(
        self, peer: str, *, results: bool, command: list[str] | None = None
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """One worker process of the peer. It is killed at the end, and its messages with it."""
        log = self.folder / f"{peer}.log"
        line = machine.ahead(command or self.describe(peer)["worker"], self.realtime)
        with log.open("wb") as out:
            process = subprocess.Popen(
                line, cwd=BENCH, env=self.environment(peer, results), stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )
            try:
                yield process
            except TimeoutError as exc:
                raise PeerFailed(f"{peer}: {exc}; its worker wrote: {log.read_text()[-2000:]}") from exc
            finally:
                machine.kill(process)

    def clear(self, peer: str) -> None:
        """An empty server (it is our own), and no marks."""
        machine.until(lambda: len(self.redis.client_list()) == 1, "the last client to leave", 20)
        self.redis.flushall()
        self.redis.config_resetstat()
        self.marks_of(peer).unlink(missing_ok=True)

    def passed(self, peer: str) -> int:
        """How many marks were passed; cheap enough to ask during a measurement."""
        marks = self.marks_of(peer)
        return marks.read_bytes().count(b"\n") if marks.exists() else 0

    def marks(self, peer: str) -> list[Mark]:
        """The marks in the order in which they were passed."""
        lines = self.marks_of(peer).read_text().splitlines()
        return sorted(Mark(*map(float, line.split()[1:])) for line in lines)

    # The measurements -------------------------------------------------------------------------------------------------

    def enqueue(self, peer: str, *, bulk: bool) -> Figures:
        """Messages per second into an empty queue that nobody reads."""
        if bulk and not self.describe(peer)["bulk"]:
            return {}
        self.clear(peer)
        words = ["fill", "--seconds", str(self.seconds), "--tasks", str(300 if self.short else MOST)]
        figures = self.client(peer, *words, *(["--bulk"] if bulk else []))
        return {"bulk" if bulk else "enqueue": figures["rate"]}

    def drain(self, peer: str, *, results: bool) -> Figures:
        rate = self.drained(peer, "noop", results=results)
        return {"drain_results" if results else "drain": rate}

    def spin(self, peer: str) -> Figures:
        """The share of the time in which 1 ms tasks had a processor."""
        if not self.loops:
            self.loops = self.client("umbel", "calibrate")["loops"]
        self.drained(peer, "spin", results=False)
        first, *_, last = self.counted(peer)
        return {"spin": (last.own - first.own) / (last.at - first.at)}

    def drained(self, peer: str, task: str, *, results: bool) -> float:
        """Tasks per second of one worker process on a full queue, from mark to mark."""
        key = (peer, results, task)
        if key not in self.rates and not self.short:
            self.rates[key] = self.pass_marks(peer, task, results, tasks=40 * EVERY, seconds=2.0)
        seconds = self.seconds * (1 + WARM)
        tasks = 8 * EVERY if self.short else max(20 * EVERY, min(MOST, int(self.rates[key] * seconds * 1.2)))
        self.rates[key] = self.pass_marks(peer, task, results, tasks=tasks, seconds=seconds)
        return self.rates[key]

    def pass_marks(self, peer: str, task: str, results: bool, *, tasks: int, seconds: float) -> float:
        """Clear and fill, and let one worker drain."""
        self.clear(peer)
        self.client(peer, "fill", "--task", task, "--tasks", str(tasks), "--bulk", results=results)
        return self.rate(peer, results=results, tasks=tasks, seconds=seconds)

    def io(self, peer: str) -> Figures:
        """Tasks per second that wait 10 ms each, on every kind of lane that the peer has for 200 at once."""
        figures, tasks = {}, 10 * EVERY if self.short else NAPS
        self.at_once = AT_ONCE
        try:
            for lane, (task, *command) in self.describe(peer)["wide"].items():
                self.clear(peer)
                self.client(peer, "fill", "--task", task, "--tasks", str(tasks), "--bulk")
                figures[f"io {lane}"] = self.rate(peer, results=False, tasks=tasks, seconds=120.0, command=command)
        finally:
            self.at_once = 0
        return figures

    def rate(self, peer: str, *, results: bool, tasks: int, seconds: float, command: list[str] | None = None) -> float:
        """Let one worker drain until the marks of so many tasks are passed or the time is over. Tasks per second."""
        with self.worker(peer, results=results, command=command):
            machine.until(lambda: self.passed(peer), "its first task")
            over = time.monotonic() + seconds
            machine.until(
                lambda: self.passed(peer) >= tasks // EVERY or (time.monotonic() > over and self.passed(peer) > 2),
                f"{tasks} tasks",
            )
        counted = self.counted(peer)
        return (len(counted) - 1) * EVERY / (counted[-1].at - counted[0].at)

    def counted(self, peer: str) -> list[Mark]:
        """The marks of a drain without its beginning."""
        marks = self.marks(peer)
        return marks[int(len(marks) * WARM) :]

    def idle(self, peer: str) -> Figures:
        """Start-up to the first task, then memory and commands while idle, then round trips."""
        self.clear(peer)
        self.client(peer, "fill", "--tasks", "1", results=True)
        started = time.monotonic()
        with self.worker(peer, results=True) as process:
            machine.until(lambda: self.passed(peer), "its first task")
            first = self.marks(peer)[0].at
            time.sleep(0.3 if self.short else 2.0)
            seconds = 0.5 if self.short else max(self.seconds, 10.0)
            sent, inner = machine.watched(self.server.host, self.server.port, seconds)
            memory = machine.pss(process.pid)
            words = ["trips", "--seconds", str(self.seconds), "--tasks", "5" if self.short else "2000"]
            trips = self.client(peer, *words, results=True)["seconds"]
        cuts = statistics.quantiles(trips, n=100, method="inclusive")
        figures = {"start_up": first - started, "memory": memory}
        figures |= {"idle": sent / seconds, "idle_all": (sent + inner) / seconds}
        return figures | {"p50": cuts[49] * 1000, "p99": cuts[98] * 1000}

    def limit(self, *, results: bool) -> Figures:
        """The ceiling, in the same environment."""
        self.clear("umbel")
        rate = self.rates.get(("limit", results, "noop"), 50_000.0)
        tasks = 500 if self.short else min(MOST, int(rate * self.seconds))
        line = [str(path_of("umbel") / "python"), str(BENCH / "limit_redis.py"), "--url", self.server.url()]
        line = machine.ahead([*line, "--tasks", str(tasks), *(["--results"] if results else [])], self.realtime)
        done = subprocess.run(line, cwd=BENCH, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode != 0:
            raise PeerFailed(f"limit_redis.py: {done.stderr[-2000:]}")
        rate = json.loads(done.stdout.splitlines()[-1])["drain"]
        self.rates["limit", results, "noop"] = rate
        return {"drain_results" if results else "drain": rate}
