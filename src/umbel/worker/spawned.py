"""Entry of a process that is a new interpreter and imports the app itself: ``python -m umbel.worker.spawned``."""

import importlib
import logging
import socket
import sys
from typing import NoReturn

import msgspec

from umbel.worker.log import name_process, redirect, set_up
from umbel.worker.patching import patch
from umbel.worker.process import Birth, leave, main

logger = logging.getLogger("umbel.worker")


def spawned(fd: str, text: str) -> NoReturn:
    """Import the application and be a process of it."""
    status = 1
    try:
        status = _spawned(fd, text)
    except BaseException:
        logger.exception("A process could not start")
    finally:
        leave(status)


def _spawned(fd: str, text: str) -> int:
    birth = msgspec.json.decode(text.encode(), type=Birth)
    name_process(birth.name)
    patch(birth.plan.pool)
    module, _, attribute = (birth.plan.app_at or "").partition(":")
    app = getattr(importlib.import_module(module), attribute)
    app.conf.update(birth.plan.settings)
    if birth.plan.include:
        app.conf.include = (*app.conf.include, *birth.plan.include)
    app.load()
    set_up(birth.plan.log, birth.index)
    redirect(birth.plan.log)
    app.conf.freeze()
    return main(app, birth, socket.socket(fileno=int(fd)))


if __name__ == "__main__":
    spawned(*sys.argv[1:])
