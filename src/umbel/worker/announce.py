"""What a lane tells of a message besides running it: signals and log lines, with Celery's senders and texts.

It decides nothing: not what becomes of the message, not whether it is run.
"""

import logging
from typing import Any

from umbel.app import lines, signals
from umbel.app.application import Umbel
from umbel.app.received import Request
from umbel.app.request import Context
from umbel.app.task import Task
from umbel.app.trouble import ExceptionInfo
from umbel.core.errors import NotRegistered
from umbel.core.message import Message
from umbel.wire import body

logger = logging.getLogger("umbel.worker")
requests = logging.getLogger("celery.worker.request")
messages = logging.getLogger("celery.worker.consumer.consumer")


class Consumer:
    """What messages come from, as receivers of signals see it: Celery's name, ``app`` and ``hostname``."""

    def __init__(self, app: Umbel, hostname: str) -> None:
        self.app = app
        self.hostname = hostname

    def __repr__(self) -> str:
        return f"<Consumer: {self.hostname}>"


class Announcer:
    """Tells for one process, in the task's own order."""

    def __init__(self, app: Umbel, nodename: str, accept: frozenset[str]) -> None:
        self._app = app
        self._nodename = nodename
        self._accept = accept
        self.consumer = Consumer(app, nodename)

    def received(self, task: Task[..., Any], context: Context) -> None:
        """A task is about to start."""
        if signals.task_received.receivers:
            signals.task_received.send(sender=self.consumer, request=Request(self._app, task, context))

    def revoked(self, task: Task[..., Any], message: Message, queue: str | None, why: str) -> None:
        """A task is not run: it is ``revoked`` or ``expired``."""
        name, id = message.headers.shadow or task.name, message.headers.id
        requests.info("Discarding revoked task: %s[%s] (%s)", name, id, why)
        if signals.task_revoked.receivers:
            context = context_of(message, self._nodename, self._accept, queue)
            expired = why == "expired"
            signals.task_revoked.send(sender=task, request=context, terminated=False, signum=None, expired=expired)

    def unknown(self, message: Message, error: NotRegistered) -> None:
        """No task of this name is known here. Told once for each worker's first look at a message."""
        name, id = message.headers.task, message.headers.id
        messages.error(
            "Received unregistered task of type %r[%s]. It goes back for workers that know it, for up to %g s; "
            "if none should, import its module: --include or the `imports` setting.",
            name,
            id,
            self._app.conf.task_unknown_grace,
        )
        if signals.task_unknown.receivers:
            signals.task_unknown.send(sender=self.consumer, message=message, exc=error, name=name, id=id)

    def internal(self, task: Task[..., Any], message: Message, error: BaseException) -> None:
        """Umbel itself failed while it ran the task."""
        lines.internal(message.headers.shadow or task.name, message.headers.id, error)
        if signals.task_internal_error.receivers:
            context = context_of(message, self._nodename, self._accept)
            signals.task_internal_error.send(
                sender=task,
                task_id=context.id,
                args=context.args,
                kwargs=context.kwargs,
                request=context,
                exception=error,
                traceback=error.__traceback__,
                einfo=ExceptionInfo(error, error.__traceback__),
            )

    def rejected(self, message: Message | None, error: BaseException | None) -> None:
        """A message that cannot be read, or must not be, is buried."""
        if signals.task_rejected.receivers:
            signals.task_rejected.send(sender=self.consumer, message=message, exc=error)


def tell_failure(app: Umbel, message: Message, context: Context, error: BaseException) -> None:
    """User code hears of a failure that came from outside of it: a hard limit, or a lost process."""
    task = app.tasks.get(message.headers.task)
    if task is None:
        return
    id, args, kwargs, einfo = message.headers.id, context.args or (), context.kwargs or {}, ExceptionInfo(error, None)
    try:
        task.on_failure(error, id, args, kwargs, einfo)
    except Exception:
        logger.exception("Task %s[%s] on_failure handler raised", task.name, id)
    signals.task_failure.send(
        sender=task, task_id=id, exception=error, args=args, kwargs=kwargs, traceback=None, einfo=einfo
    )


def tell_terminated(app: Umbel, message: Message, context: Context, signum: int | None) -> None:
    """User code hears that a running task was ended, being revoked. ``signum``: what its process was killed with."""
    task = app.tasks.get(message.headers.task)
    if task is not None:
        signals.task_revoked.send(sender=task, request=context, terminated=True, signum=signum, expired=False)


def context_of(message: Message, nodename: str, accept: frozenset[str], queue: str | None = None) -> Context:
    """The context of a message that is not run, with its arguments where they can be had."""
    try:
        args, kwargs, embed = body.decode(message, accept)
    except Exception:  # noqa: BLE001  a serializer is user code; who asks wants the rest anyway
        return Context(message, hostname=nodename, queue=queue, called_directly=False)
    return Context(message, embed, args=args, kwargs=kwargs, hostname=nodename, queue=queue, called_directly=False)
