"""What the documents' code uses and does not define, each as small as it can be; what it does is noted in the ledger.

Written into the documents' project, and imported by nothing here.
"""

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

LEDGER = Path(os.environ["LEDGER"])


def note(*words: Any) -> None:
    with LEDGER.open("a") as ledger:
        ledger.write(json.dumps(words) + "\n")


def noted(*words: Any) -> int:
    lines = [json.loads(line) for line in LEDGER.read_text().splitlines()]
    return sum(line[: len(words)] == list(words) for line in lines)


class RateLimitExceeded(Exception):
    pass


class email_service:
    @staticmethod
    def send(*, to: str, subject: str, body: str) -> Any:
        note("email", subject, to)
        if subject == "Limited":
            raise RateLimitExceeded("not so fast")
        if subject == "Unreachable" and noted("email", subject) == 1:
            raise ConnectionError("no route")
        if subject == "Impossible":
            raise ValueError("no such person")
        return SimpleNamespace(id=f"<{to}>")


class User:
    def __init__(self, id: int) -> None:
        self.id = id

    def recalculate_stats(self) -> None:
        note("stats", self.id)


class Session:
    def query(self, kind: type[User]) -> Any:
        return SimpleNamespace(get=kind)

    def commit(self) -> None:
        note("committed", os.getpid())

    def close(self) -> None:
        note("closed", os.getpid())


def create_session() -> Session:
    note("opened", os.getpid())
    return Session()


def notify_sentry(exception: Exception, task_id: str) -> None:
    note("sentry", repr(exception), task_id)


class metrics:
    @staticmethod
    def increment(name: str, tags: dict[str, str]) -> None:
        note("metric", name, tags["task"])


def wait_for(name: str) -> None:
    """Until somebody made this file."""
    while not LEDGER.with_name(name).exists():
        time.sleep(0.01)  # noqa: TID251  the pause between two looks
