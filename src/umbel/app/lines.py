"""The lines that a worker writes about a task that runs: Celery's loggers, texts and data.

The texts are module attributes, looked up at every use, so that they can be replaced (Celery: ``celery.app.trace``).
A line that nobody prints costs one look at its logger.
"""

import logging
from reprlib import Repr
from types import TracebackType
from typing import TYPE_CHECKING, Any

from umbel.app.trouble import own_frames, text_of
from umbel.core import states
from umbel.core.errors import Reject

if TYPE_CHECKING:
    from umbel.app.execution import Run

LOG_RECEIVED = "Task %(name)s[%(id)s] received"
LOG_SUCCESS = "Task %(name)s[%(id)s] succeeded in %(runtime)ss: %(return_value)s"
LOG_FAILURE = "Task %(name)s[%(id)s] %(description)s: %(exc)s"
LOG_INTERNAL_ERROR = "Task %(name)s[%(id)s] %(description)s: %(exc)s"
LOG_IGNORED = "Task %(name)s[%(id)s] %(description)s"
LOG_REJECTED = "Task %(name)s[%(id)s] %(exc)s"
LOG_RETRY = "Task %(name)s[%(id)s] retry: %(exc)s"

taken = logging.getLogger("celery.worker.strategy")
traced = logging.getLogger("celery.app.trace")

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 200
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 20
_Error = tuple[type[BaseException], BaseException, TracebackType | None]


def received(run: "Run") -> None:
    """The task is about to start."""
    if taken.isEnabledFor(logging.INFO) and not run.context.is_eager:
        _say(taken, logging.INFO, LOG_RECEIVED, _data(run))


def ended(run: "Run") -> None:
    """The task has ended, in whatever state."""
    if run.state == states.SUCCESS:
        if traced.isEnabledFor(logging.INFO):
            took = run.host.clock.monotonic() - run.since
            _say(traced, logging.INFO, LOG_SUCCESS, _data(run, runtime=took, return_value=shown(run.retval)))
    elif run.state == states.RETRY:
        _say(traced, logging.INFO, LOG_RETRY, _data(run, exc=text_of(run.retval)))
    elif run.state == states.IGNORED:
        _say(traced, logging.INFO, LOG_IGNORED, _data(run, description="ignored"))
    elif run.state == states.REJECTED:
        _say(traced, logging.WARNING, LOG_REJECTED, _data(run, description="rejected", exc=_rejection(run.retval)))
    else:
        _failed(run)


def _failed(run: "Run") -> None:
    error, data = run.retval, _data(run, exc=shown(run.retval))
    if isinstance(error, run.traits.throws):
        _say(traced, logging.INFO, LOG_FAILURE, data | {"description": "raised expected"})
        return
    data |= {"description": "raised unexpected", "traceback": run.einfo.traceback if run.einfo else ""}
    _say(traced, logging.ERROR, LOG_FAILURE, data, (type(error), error, own_frames(error.__traceback__)))


def internal(name: str, id: str, error: BaseException) -> None:
    """Umbel itself failed while it ran the task."""
    data = {"id": id, "name": name, "description": "INTERNAL ERROR", "exc": shown(error), "internal": True}
    _say(traced, logging.CRITICAL, LOG_INTERNAL_ERROR, data, (type(error), error, error.__traceback__))


def _rejection(error: Reject) -> str:
    return f"reject requeue={bool(error.requeue)}: {text_of(error.reason or '')}"


def _data(run: "Run", **more: Any) -> dict[str, Any]:
    """What the text is made from; log records carry it as ``data``."""
    context, headers = run.context, run.headers
    return {
        "id": context.id,
        "name": headers.shadow or run.traits.name,
        "args": headers.argsrepr,
        "kwargs": headers.kwargsrepr,
        "hostname": run.host.nodename,
        **more,
    }


def _say(logger: logging.Logger, level: int, text: str, data: dict[str, Any], error: _Error | None = None) -> None:
    """``logger.log``, without looking up from which line of this module."""
    if logger.isEnabledFor(level):
        extra = {"data": data}
        logger.handle(logger.makeRecord(logger.name, level, __file__, 0, text, (data,), error, None, extra))


def shown(value: object) -> str:
    """A value, short, of a type whose own code may fail."""
    try:
        return text_of(_SHORT.repr(value))
    except BaseException:  # noqa: BLE001  user code
        return f"<{type(value).__qualname__}>"
