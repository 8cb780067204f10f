"""What a real Celery wrote (``capture.py`` and ``capture_redis.py`` make the files), as bytes."""

import base64
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


# As it lies in Redis (``capture_redis.py``), by version of Celery -----------------------------------------------------

VERSIONS = ("5.6.3", "5.7.0")
REDIS: dict[str, Any] = {
    version: json.loads(Path(__file__).with_name(f"redis-{version}.json").read_text()) for version in VERSIONS
}


def element(version: str, name: str) -> bytes:
    """A list element as this version of Celery pushed it."""
    return base64.b64decode(REDIS[version]["elements"][name]["bytes"])


def result(version: str, name: str) -> bytes:
    """A stored result as this version of Celery left it."""
    return base64.b64decode(REDIS[version]["results"][name]["bytes"])
