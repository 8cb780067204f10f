"""Results as Python has them: values, and exceptions of another process with their traceback."""

from typing import Any

from umbel.core import states
from umbel.core.record import Record
from umbel.wire import exceptions


def value_of(record: Record) -> Any:
    """The result as Python has it: exceptions are rebuilt."""
    if record.status in states.EXCEPTION_STATES and record.result is not None:
        return exceptions.rebuild(record.result)
    return record.result


class RemoteTraceback(Exception):
    """The traceback of another process, shown where its exception is raised again."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def with_traceback(error: Any, traceback: str | None) -> BaseException:
    """``error``, to be raised with the traceback that it had where it was raised first."""
    raised = error if isinstance(error, BaseException) else Exception(error)
    if traceback and raised.__cause__ is None:
        raised.__cause__ = RemoteTraceback(traceback)
    return raised
