"""Celery's ``worker.state``: what a worker is. What it runs, its processes know (``app.workers``)."""

import platform

from umbel.celery import offered
from umbel.celery.version import VERSION_TEXT

SOFTWARE_INFO = {"sw_ident": "py-celery", "sw_ver": VERSION_TEXT, "sw_sys": platform.system()}

__all__ = ["SOFTWARE_INFO"]

__getattr__ = offered.names_not_in(__name__)
