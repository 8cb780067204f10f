"""Real beats for tests: started, killed, frozen, with wrong clocks; and what the tasks that they called wrote down."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parent.parent.parent


class Beat:
    """One process of ``umbel beat``, or of a worker."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "umbel", "-A", "tests.beat.subjects", *command],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.process.wait(20)

    def end(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()


class Beats:
    """A folder with a ledger, and the processes around one broker."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self.settings = settings
        self.all: list[Beat] = []

    def start(self, *command: str, skew: float = 0.0, reckless: bool = False) -> Beat:
        environment = os.environ | {
            "BEAT_SETTINGS": json.dumps(self.settings),
            "BEAT_LEDGER": str(self.ledger),
            "BEAT_SKEW": str(skew),
            "BEAT_RECKLESS": "1" if reckless else "",
            "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "src")),
            "PYTHONUNBUFFERED": "1",
        }
        started = Beat([*command, "-l", "INFO"], self.folder / f"log-{len(self.all)}", environment)
        self.all.append(started)
        return started

    def runs(self) -> Counter[str]:
        """How often each tick ran: ``name@due in milliseconds``."""
        return Counter(line.split(" ")[0] for line in self.ledger.read_text().splitlines())

    def said(self) -> str:
        return "\n".join(beat.text for beat in self.all)

    def __enter__(self) -> "Beats":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for beat in self.all:
            beat.end()
        if error is not None:
            sys.stderr.write(self.said()[-20_000:])
