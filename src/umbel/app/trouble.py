"""What an exception looks like to people: a line, a traceback that begins at their code, Celery's ``einfo``. No I/O.

User code hides in exceptions too: their ``__str__`` may raise anything.
"""

import traceback
from pathlib import Path
from types import TracebackType

_OURS = str(Path(__file__).parent.parent)


def one_line(error: BaseException) -> str:
    """``ValueError: text``, cut to one readable line."""
    text = " ".join(text_of(error).split())
    name = type(error).__qualname__
    return f"{name}: {text[:500]}" if text else name


def text_of(error: object) -> str:
    """``str``, of an object whose own code may fail."""
    try:
        return _printable(str(error))
    except BaseException:  # noqa: BLE001  user code
        return f"<{type(error).__qualname__} whose str fails>"


def _printable(text: str) -> str:
    """Without lone surrogates, which no database and no log takes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def short_traceback(error: BaseException, tb: TracebackType | None) -> str:
    """The traceback as text without our own frames on top: it begins at the user's first line."""
    try:
        return _printable("".join(traceback.format_exception(type(error), error, own_frames(tb))))
    except BaseException:  # noqa: BLE001  user code: __str__ may raise what no Exception is
        return f"{one_line(error)}\n"


def own_frames(tb: TracebackType | None) -> TracebackType | None:
    """The traceback from the user's first frame on."""
    while tb is not None and tb.tb_next is not None and tb.tb_frame.f_code.co_filename.startswith(_OURS):
        tb = tb.tb_next
    return tb


class ExceptionInfo:
    """An exception with its traceback as text: what hooks and signals call ``einfo``."""

    def __init__(self, exception: BaseException, tb: TracebackType | None) -> None:
        self.type = type(exception)
        self.exception = exception
        self.tb = tb
        self.traceback = short_traceback(exception, tb)
        self.internal = False

    def __str__(self) -> str:
        return self.traceback

    def __repr__(self) -> str:
        return f"<ExceptionInfo: {self.exception!r}>"
