"""billiard's ``einfo``: an exception with its traceback as text, which hooks and signals get. Umbel's own class."""

from umbel.app.trouble import ExceptionInfo
from umbel.celery import offered


class ExceptionWithTraceback(Exception):
    """What billiard wraps an exception in on its way between processes. Umbel wraps none; the name is for checks."""

    def __init__(self, exc: BaseException, tb: object = None) -> None:
        super().__init__(exc)
        self.exc = exc
        self.tb = tb


__all__ = ["ExceptionInfo", "ExceptionWithTraceback"]

__getattr__ = offered.names_not_in(__name__)
