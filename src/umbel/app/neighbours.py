"""The workers of this machine, as their windows show them. Asks no broker, and needs no application."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from umbel.core.vitals import WorkerVitals
from umbel.runtime import window


def ask(path: Path, timeout: float) -> WorkerVitals:
    """What the worker behind a window says within ``timeout`` seconds. Raises ``OSError``, ``TimeoutError``."""
    said = window.look(path, timeout)
    try:
        return msgspec.json.decode(said, type=WorkerVitals)
    except msgspec.DecodeError:
        raise ConnectionResetError(None, "it said nothing that can be understood") from None


def neighbours(timeout: float) -> tuple[list[WorkerVitals], list[Path]]:
    """All that answer, and the windows behind which somebody is and says nothing. They are asked at the same time."""
    paths = list(window.windows())
    with ThreadPoolExecutor(max_workers=max(1, len(paths))) as threads:
        answers = list(threads.map(lambda path: _answer(path, timeout), paths))
    found = [answer for answer in answers if isinstance(answer, WorkerVitals)]
    return found, [path for path, answer in zip(paths, answers, strict=True) if answer is DUMB]


DUMB = object()


def _answer(path: Path, timeout: float) -> object:
    try:
        return ask(path, timeout)
    except TimeoutError:
        return DUMB
    except OSError:
        return None  # its owner is gone
