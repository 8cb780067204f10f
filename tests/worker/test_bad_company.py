"""A thousand healthy tasks in one queue with five that break, eat or hold whatever runs them."""

import os
import signal

from tests.worker.fleet import Farm, until
from umbel import AsyncResult
from umbel.core.errors import TimeLimitExceeded, WorkerLostError

HEALTHY = int(os.environ.get("HEALTHY", "1000"))
LIMIT = 1.0


def test_the_healthy_ones_finish_and_the_others_say_why_they_do_not(farm: Farm) -> None:
    worker = farm.worker("-c", "2")
    bad: dict[str, AsyncResult[object]] = {}
    healthy = []
    for part in range(5):
        with farm._app.bulk():
            healthy += [farm.send("quick", f"ok-{part}-{number}") for number in range(HEALTHY // 5)]
            match part:
                case 0:
                    bad["segfault"] = farm.send("segfaults")
                case 1:
                    bad["killed"] = farm.send("die", "killed")  # what the kernel does to one that eats too much
                case 2:
                    bad["memory"] = farm.send("eats_memory")
                case 3:
                    bad["loop"] = farm.send("computes_in_c", "loop", str(farm.gate()), time_limit=LIMIT)
                case _:
                    bad["unpicklable"] = farm.send("raises_unpicklable")
    keys = [result.get(timeout=60) for result in healthy]
    assert len(set(keys)) == HEALTHY
    started = [line.words[1] for line in farm.lines("start") if line.words[1].startswith("ok-")]
    assert len(started) == HEALTHY, "none of them paid for the others"

    until(lambda: all(result.ready() for result in bad.values()), 60, what="the end of the bad ones")
    errors = {name: result.get(propagate=False) for name, result in bad.items()}
    assert isinstance(errors["segfault"], WorkerLostError)
    assert "killed by SIGSEGV" in str(errors["segfault"])
    assert isinstance(errors["killed"], WorkerLostError)
    assert "killed by SIGKILL" in str(errors["killed"])
    assert isinstance(errors["memory"], MemoryError)
    assert isinstance(errors["loop"], TimeLimitExceeded)
    assert type(errors["unpicklable"]).__name__ == "Unpicklable"
    assert "it holds a lock" in str(errors["unpicklable"])

    letters = {name: farm._app.dead.get(result.id) for name, result in bad.items()}
    assert {name: (letter.reason, letter.detail.partition("(<")[0]) for name, letter in letters.items()} == {
        "segfault": ("lost", "killed by SIGSEGV, 5 times"),
        "killed": ("lost", "killed by SIGKILL, 5 times"),
        "memory": ("failed", "MemoryError"),
        "loop": ("failed", "TimeLimitExceeded: hard time limit (1 s) exceeded"),
        "unpicklable": ("failed", letters["unpicklable"].detail.partition("(<")[0]),
    }
    assert letters["unpicklable"].detail.startswith("Unpicklable: ")
    assert "raises_unpicklable" in (letters["unpicklable"].traceback or "")
    for name, number in (("segfault", signal.SIGSEGV), ("killed", signal.SIGKILL)):
        history = letters[name].history
        assert [loss.signal for loss in history] == [number] * 5
        assert len({loss.pid for loss in history}) == 5
    assert worker.stop() == 0
