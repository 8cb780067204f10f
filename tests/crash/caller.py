"""A program that calls tasks, to be killed: it reads what to call from its input, and writes down what came out.

A line of input is JSON: a list of calls, which go out in one step, or the word ``chord`` and one chord.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from tests.crash.subjects import app, ledger
from umbel import chord, signature
from umbel.core.errors import OperationalError
from umbel.runtime.clock import SYSTEM

PREFIX = "tests.crash.subjects."
ATTEMPTS = 60


def call(one: dict[str, Any]) -> None:
    app.send_task(PREFIX + one["task"], one["args"], **one["options"])


def call_all(calls: list[dict[str, Any]]) -> None:
    if len(calls) == 1:
        call(calls[0])
        return
    with app.bulk():
        for one in calls:
            call(one)


def call_chord(key: str, members: list[str], seconds: float) -> None:
    header = [signature(f"{PREFIX}work", (member, seconds), app=app) for member in members]
    chord(header)(signature(f"{PREFIX}gather", (key,), app=app))


def out(keys: list[tuple[str, dict[str, Any]]], publish: Callable[[], None]) -> None:
    """Call until the broker has accepted it, as a caller does who must."""
    for _ in range(ATTEMPTS):
        for key, facts in keys:
            ledger.note("call", key, **facts)
        began = SYSTEM.monotonic()
        try:
            publish()
        except OperationalError:
            ledger.note("raised", keys[0][0], seconds=round(SYSTEM.monotonic() - began, 3))
            SYSTEM.pause(0.05)
            continue
        for key, _ in keys:
            ledger.note("called", key)
        return
    raise SystemExit(f"{keys[0][0]} cannot be called")


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        if isinstance(order, dict):
            members, key = order["members"], order["key"]
            keys: list[tuple[str, dict[str, Any]]] = [(member, {}) for member in members]
            out([*keys, (key, {"body": 1})], lambda k=key, m=members, o=order: call_chord(k, m, o["seconds"]))  # type: ignore[misc]
        else:
            keys = [(key, facts) for one in order for key, facts in one["keys"]]
            out(keys, lambda calls=order: call_all(calls))  # type: ignore[misc]
    app.close()


if __name__ == "__main__":
    main()
