"""Celery's ``platforms``: what the system says of success and failure. Detaches nothing."""

import os
import sys

from umbel.celery import offered

EX_OK = os.EX_OK
EX_FAILURE = 1
EX_UNAVAILABLE = os.EX_UNAVAILABLE
EX_USAGE = os.EX_USAGE
IS_macOS = sys.platform == "darwin"
IS_WINDOWS = sys.platform == "win32"

__getattr__ = offered.names_not_in(__name__)
