"""One case of the shutdown matrix: a worker of some lane, with some work, is told to stop in some way.

Whatever the way, it has ended within its timeout; what had ended is not run again; all else is back in the queue.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.worker.fleet import Farm, Worker
from umbel.runtime.clock import SYSTEM

TIMEOUT = 1.5
"""``worker_shutdown_timeout`` of all of them."""
BOUND = TIMEOUT + 8.0
"""Within which a worker ends: its timeout, what the last settlements may take, and a busy machine."""

LANES = ("prefork", "threads", "asyncio", "gevent", "eventlet", "solo")
ORDERS = ("TERM", "TERM twice", "QUIT", "INT", "terminal closed", "TERM to the group")
COLD = ("TERM twice", "QUIT")
KINDS = {
    "quick": "sleep",
    "long sync": "hold",
    "long async": "hold_async",
    "C loop": "computes_in_c",
    "ignores its limit": "ignores_its_limit",
}
PLACES = 4


@dataclass
class Case:
    """One worker and its work."""

    lane: str
    order: str
    kinds: tuple[str, ...]
    queue: str
    worker: Worker | None = None
    sent: dict[str, Any] = field(default_factory=dict)
    took: float = 0.0

    def __str__(self) -> str:
        return f"{self.lane}, {self.order}, {' + '.join(self.kinds)}"

    @property
    def slack(self) -> int:
        """How many may run again that a cold stop has met between their last line and their end: one at each place."""
        return PLACES if self.order in COLD and "quick" in self.kinds else 0

    def start(self, farm: Farm) -> None:
        """Start its worker; it need not be ready."""
        places = "1" if self.lane == "solo" else str(PLACES)
        self.worker = farm.worker(
            *("-P", self.lane, "-c", places, "-Q", self.queue, "-n", self.queue),
            ready=False,
            terminal=self.order == "terminal closed",
        )

    def give_work(self, farm: Farm) -> None:
        """Have it run what it can at once of these kinds, with quick tasks behind. A C loop starts last."""
        assert self.worker is not None
        self.worker.ready()
        long = sorted((kind for kind in self.kinds if kind != "quick"), key=lambda kind: kind == "C loop")
        for kind in long:
            self._send(farm, kind)
            farm.started(self._key(kind), within=60)
        if "quick" in self.kinds:
            for number in range(10):
                self._send(farm, "quick", str(number))

    def _key(self, kind: str, number: str = "") -> str:
        return f"{self.queue}-{kind.replace(' ', '-')}{number}"

    def _send(self, farm: Farm, kind: str, number: str = "") -> None:
        key = self._key(kind, number)
        more = 0 if kind == "quick" else str(farm.gate())
        self.sent[key] = farm.send(KINDS[kind], key, more, queue=self.queue)

    def tell(self) -> None:
        """Tell it to stop."""
        assert self.worker is not None
        worker, self._told = self.worker, SYSTEM.monotonic()
        match self.order:
            case "TERM twice":
                worker.signal(signal.SIGTERM)
                worker.signal_again(signal.SIGTERM)
            case "terminal closed":
                worker.close_terminal()
            case "TERM to the group":
                worker.signal(signal.SIGTERM)
                os.killpg(worker.process.pid, signal.SIGTERM)
            case name:
                worker.signal(getattr(signal, f"SIG{name}"))

    def has_stopped(self, farm: Farm) -> None:
        """It has ended in time, as it should, and has left everything where it belongs."""
        assert self.worker is not None
        status = self.worker.wait(BOUND)
        self.took = SYSTEM.monotonic() - self._told
        expected = {1} if self.order in COLD else {0}
        if self.order == "TERM twice" and self.kinds == ("quick",):
            expected |= {0, -signal.SIGTERM}  # it may have ended well before the second
        assert status in expected, f"{self}: status {status}\n{self.worker.text}"
        depth = farm.depth(self.queue)
        ended = {key for key in self.sent if farm.lines("end", key)}
        assert depth.claimed == 0, f"{self}: {depth}\n{self.worker.text}"
        again = depth.ready - (len(self.sent) - len(ended))
        assert 0 <= again <= self.slack, f"{self}: {depth}, ended: {ended}\n{self.worker.text}"
        assert "Traceback" not in self.worker.text, self.worker.text

    def is_whole(self, farm: Farm) -> None:
        """Another worker has done the rest: everything has ended, and nothing that had was run again."""
        for key, result in self.sent.items():
            assert result.get(timeout=30) == key
            ends = len(farm.lines("end", key))
            assert ends == 1 or (self.slack and ends == 2), f"{self}: {key} ended {ends} times"
        counted = [line for line in farm.said().splitlines() if "(loss" in line or "was lost" in line]
        assert not any("(loss" in line for line in counted), f"a stop counts as no loss: {counted}"


def run(farm: Farm, cases: list[Case]) -> None:
    """All of them side by side, and then one worker that does the rest."""
    steps: list[Callable[[Case], None]] = [
        lambda case: case.start(farm),
        lambda case: case.give_work(farm),
        lambda case: case.tell(),
        lambda case: case.has_stopped(farm),
    ]
    for step in steps:
        for case in cases:
            step(case)
    farm.gate().touch()
    rest = farm.worker("-c", "2", "-Q", ",".join(case.queue for case in cases), "-n", "rest")
    for case in cases:
        case.is_whole(farm)
    assert rest.stop() == 0
