"""The application of the beats that tests start: entries from the environment, a clock that is wrong, and a ledger."""

import json
import os
from datetime import datetime
from typing import Any

from umbel import Task, Umbel
from umbel.beat.leadership import Leadership
from umbel.runtime.clock import SystemClock


class WrongClock(SystemClock):
    """Wall time that is ``BEAT_SKEW`` seconds off."""

    skew = float(os.environ.get("BEAT_SKEW", "0"))

    def now(self) -> float:
        return SystemClock.now() + self.skew


if os.environ.get("BEAT_RECKLESS"):
    # As on a machine that was suspended: its clock says that the lease still runs, and only the broker knows better.
    Leadership.holds = lambda self: self.epoch is not None  # type: ignore[method-assign]

SETTINGS: dict[str, Any] = json.loads(os.environ.get("BEAT_SETTINGS", "{}"))
app = Umbel("subjects", clock=WrongClock(), **SETTINGS)


@app.task(bind=True)
def tick(self: Task[..., Any], /, **kwargs: Any) -> None:
    """Write down for which entry and due time this runs, in milliseconds."""
    headers = self.request.headers or {}
    due = datetime.fromisoformat(headers["periodic_task_due"]).timestamp()
    line = f"{headers['periodic_task_name']}@{round(due * 1000)} {json.dumps(kwargs)}\n"
    ledger = os.open(os.environ["BEAT_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(ledger, line.encode())
    os.close(ledger)
