"""What a real Celery wrote (``capture.py`` makes the file), as bytes."""

import json
from pathlib import Path
from typing import Any

from umbel.core.message import Message
from umbel.wire import envelope

GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("celery.json").read_text())
NAMES = sorted(GOLDEN["messages"])


def head(name: str) -> bytes:
    """The head of a captured message."""
    return str(GOLDEN["messages"][name]["head"]).encode()


def body(name: str) -> bytes:
    """The body of a captured message."""
    return str(GOLDEN["messages"][name]["body"]).encode()


def message(name: str) -> Message:
    """A captured message, decoded."""
    return envelope.decode(head(name), body(name))
