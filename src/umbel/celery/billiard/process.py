"""billiard's ``process``: the process that runs here."""

import multiprocessing
from multiprocessing.process import BaseProcess

from umbel.celery import offered


def current_process() -> BaseProcess:
    """The standard library's object for it."""
    return multiprocessing.current_process()


__all__ = ["current_process"]

__getattr__ = offered.names_not_in(__name__)
