"""The workers of this machine, as their windows show them. Asks no broker, and needs no application."""

from pathlib import Path

import msgspec

from umbel.core.vitals import WorkerVitals
from umbel.runtime import window
from umbel.runtime.clock import SYSTEM

LEAST = 0.05
"""Seconds that each of them has for an answer, however many did not answer before."""


def ask(path: Path, timeout: float) -> WorkerVitals:
    """What the worker behind a window says within ``timeout`` seconds. Raises ``OSError``, ``TimeoutError``."""
    said = window.look(path, timeout)
    try:
        return msgspec.json.decode(said, type=WorkerVitals)
    except msgspec.DecodeError:
        raise ConnectionResetError(None, "it said nothing that can be understood") from None


def neighbours(timeout: float) -> tuple[list[WorkerVitals], list[Path]]:
    """All that answer, and the windows behind which somebody is and says nothing."""
    end = SYSTEM.monotonic() + timeout
    found: list[WorkerVitals] = []
    dumb: list[Path] = []
    for path in window.windows():
        try:
            found.append(ask(path, max(end - SYSTEM.monotonic(), LEAST)))
        except TimeoutError:
            dumb.append(path)
        except OSError:
            continue  # its owner is gone
    return found, dumb
