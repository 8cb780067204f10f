"""Entry of a process that is a new interpreter and imports the app itself: ``python -m umbel.worker.spawned``."""

import importlib
import socket
import sys

import msgspec

from umbel.worker.log import set_up
from umbel.worker.process import Birth, main


def spawned(fd: str, text: str) -> int:
    """Import the application and be a process of it."""
    birth = msgspec.json.decode(text.encode(), type=Birth)
    set_up(birth.plan.loglevel, birth.plan.log_format)
    module, _, attribute = (birth.plan.app_at or "").partition(":")
    app = getattr(importlib.import_module(module), attribute)
    app.load()
    return main(app, birth, socket.socket(fileno=int(fd)))


if __name__ == "__main__":
    sys.exit(spawned(*sys.argv[1:]))
