"""Results as Python has them: values, and exceptions of another process with their traceback. Runs no user code."""

import re
import sys
import types
from typing import Any

from umbel.core import states
from umbel.core.record import Record
from umbel.wire import exceptions

_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+), in (?P<name>.+)$', re.MULTILINE)
_CODE = compile("keep()", "", "exec")
"""Python makes frames only by running something: it runs this under the name of each."""
_NOWHERE = -1
"""No instruction, so that no part of the line is underlined."""


def value_of(record: Record) -> Any:
    """The result as Python has it: exceptions are rebuilt."""
    if record.status in states.EXCEPTION_STATES and record.result is not None:
        return exceptions.rebuild(record.result)
    return record.result


class RemoteTraceback(Exception):
    """The traceback of another process, shown where its exception is raised again."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def with_traceback(error: Any, traceback: str | None, *, as_frames: bool = False) -> BaseException:
    """``error``, to be raised with the traceback that it had where it was raised first.

    As its cause, whose text it is; or ``as_frames``, as if it had been raised here.
    """
    raised = error if isinstance(error, BaseException) else Exception(error)
    if as_frames:
        return raised.with_traceback(frames_of(traceback or ""))
    if traceback and raised.__cause__ is None:
        raised.__cause__ = RemoteTraceback(traceback)
    return raised


def frames_of(text: str) -> types.TracebackType | None:
    """The traceback that ``text`` shows last (what ``traceback.format_exception`` wrote); None if it shows none.

    Debuggers and reporters see the frames of another process: files, lines and names, and no local variables.
    """
    rebuilt = None
    for frame in reversed(list(_FRAME.finditer(text.rpartition("Traceback (most recent call last):")[2]))):
        line = int(frame["line"])
        made = _made(frame["file"], line, frame["name"])
        rebuilt = types.TracebackType(rebuilt, made, _NOWHERE, line)
    return rebuilt


def _made(file: str, line: int, name: str) -> types.FrameType:
    code = _CODE.replace(co_filename=file, co_firstlineno=line, co_name=name, co_qualname=name)
    frames: list[types.FrameType] = []
    exec(code, {"keep": lambda: frames.append(sys._getframe(1)), "__name__": name, "__file__": file})  # noqa: SLF001
    return frames[0]
