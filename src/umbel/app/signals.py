"""Signals: Celery's names, senders and arguments. Holds receivers; knows nothing that sends.

A receiver's exception is logged and goes no further. ``signal.receivers`` is empty when nobody listens, so that a hot
path can skip the work of sending.
"""

import functools
import inspect
import logging
import weakref
from collections.abc import Callable
from typing import Any, TypeVar, overload

from umbel.runtime.clock import SYSTEM, Clock
from umbel.runtime.unpatched import RLock

F = TypeVar("F", bound=Callable[..., Any])

log = logging.getLogger("celery.utils.dispatch.signal")

FIRST_PAUSE, STEP, LONGEST_PAUSE = 2.0, 2.0, 30.0
"""Seconds between the attempts of a receiver that is connected with ``retry``; Celery's."""
_ANYONE = object()


class _Receiver:
    """One connected callable: whom it listens to, and how to get at it (weakly, or not)."""

    __slots__ = ("key", "ref", "sender")

    def __init__(self, key: object, sender: object, ref: Callable[[], Callable[..., Any] | None]) -> None:
        self.key = key
        self.sender = sender
        self.ref = ref


class Signal:
    """An event that others may listen to."""

    def __init__(self, name: str, doc: str = "") -> None:
        self.name = name
        self.__doc__ = doc
        self.receivers: tuple[_Receiver, ...] = ()
        self._lock = RLock()  # re-entered when a weak receiver dies while another is connected

    def __repr__(self) -> str:
        return f"<Signal: {self.name} ({len(self.receivers)} receivers)>"

    @overload
    def connect(
        self, receiver: F, sender: object = None, weak: bool = True, dispatch_uid: object = None, retry: bool = False
    ) -> F: ...
    @overload
    def connect(
        self,
        receiver: None = None,
        sender: object = None,
        weak: bool = True,
        dispatch_uid: object = None,
        retry: bool = False,
    ) -> Callable[[F], F]: ...
    def connect(
        self,
        receiver: Callable[..., Any] | None = None,
        sender: object = None,
        weak: bool = True,
        dispatch_uid: object = None,
        retry: bool = False,
    ) -> Any:
        """Call ``receiver(signal=, sender=, **kwargs)`` at every send; it must accept ``**kwargs``. Also a decorator.

        ``sender``: only for this one (an object, or a name where the sender is a name). ``weak``: hold it by a weak
        reference, so that a local function is forgotten with its scope. ``dispatch_uid``: connect once under this name.
        ``retry``: when it raises, call it again, after 2, 4, ... 30 s, until it returns; the sender waits meanwhile,
        and the receiver is not held weakly.
        """
        if receiver is None:
            return lambda function: self.connect(function, sender, weak, dispatch_uid, retry)
        self._check(receiver)
        sender_key = _ANYONE if sender is None else _key(sender)
        key = (dispatch_uid if dispatch_uid is not None else _key(receiver), sender_key)
        with self._lock:
            if all(known.key != key for known in self.receivers):
                target = functools.partial(_persist, receiver) if retry else receiver
                ref = self._reference(receiver, key) if weak and not retry else (lambda: target)
                self.receivers = (*self.receivers, _Receiver(key, sender_key, ref))
        return receiver

    def _check(self, receiver: object) -> None:
        if not callable(receiver):
            raise TypeError(f"signal {self.name}: a receiver is a callable, not {receiver!r}")
        try:
            parameters = inspect.signature(receiver).parameters.values()
        except (TypeError, ValueError):
            return  # built in: nobody knows
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            raise ValueError(f"signal {self.name}: {receiver!r} must accept keyword arguments: def receiver(**kwargs)")

    def disconnect(
        self, receiver: Callable[..., Any] | None = None, sender: object = None, dispatch_uid: object = None
    ) -> bool:
        """Undo ``connect`` of the same arguments, and say whether there was one."""
        sender_key = _ANYONE if sender is None else _key(sender)
        return self._drop((dispatch_uid if dispatch_uid is not None else _key(receiver), sender_key))

    def has_listeners(self, sender: object = None) -> bool:
        """Whether a send by ``sender`` would reach anybody."""
        return any(self._live(sender))

    def send(self, sender: object, **named: Any) -> list[tuple[Callable[..., Any], object]]:
        """Call every receiver, and return what each gave back (or the exception that it raised)."""
        responses: list[tuple[Callable[..., Any], object]] = []
        for receiver in self._live(sender):
            try:
                responses.append((receiver, receiver(signal=self, sender=sender, **named)))
            except Exception as error:
                log.exception("Signal handler %r raised: %r", receiver, error)
                responses.append((receiver, error))
        return responses

    def _live(self, sender: object) -> list[Callable[..., Any]]:
        if not self.receivers:
            return []
        key = _key(sender)
        found = (known.ref() for known in self.receivers if known.sender is _ANYONE or known.sender == key)
        return [receiver for receiver in found if receiver is not None]

    def _reference(self, receiver: Callable[..., Any], key: object) -> Callable[[], Callable[..., Any] | None]:
        forget = lambda _: self._drop(key)  # noqa: E731  the weak reference wants a callable
        if hasattr(receiver, "__self__") and hasattr(receiver, "__func__"):
            return weakref.WeakMethod(receiver, forget)
        return weakref.ref(receiver, forget)

    def _drop(self, key: object) -> bool:
        with self._lock:
            kept = tuple(known for known in self.receivers if known.key != key)
            dropped = len(kept) < len(self.receivers)
            self.receivers = kept
        return dropped


def _persist(receiver: Callable[..., Any], clock: Clock = SYSTEM, **named: Any) -> Any:
    """Call a receiver until it returns."""
    pause = FIRST_PAUSE
    while True:
        try:
            return receiver(**named)
        except Exception as error:  # noqa: BLE001  whatever a receiver raises
            log.error("Signal handler %r raised: %r. It is called again in %g s", receiver, error, pause)
            clock.pause(pause)
            pause = min(pause + STEP, LONGEST_PAUSE)


def _key(target: object) -> object:
    """What tells one sender or receiver from another. Names are compared as names, all else by identity."""
    if isinstance(target, str):
        return target
    target = getattr(target, "__umbel_target__", target)  # a proxy stands for its target
    if hasattr(target, "__func__"):
        return (id(getattr(target, "__self__", None)), id(target.__func__))
    return id(target)


before_task_publish = Signal(
    "before_task_publish", "Sender: task name. body, exchange, routing_key, headers, properties, declare, retry_policy."
)
after_task_publish = Signal("after_task_publish", "Sender: task name. headers, body, exchange, routing_key.")
task_sent = Signal("task_sent", "Deprecated by Celery. Sender: task name. task_id, task, args, kwargs, eta, taskset.")

task_received = Signal("task_received", "Sender: consumer. request.")
task_prerun = Signal("task_prerun", "Sender: task. task_id, task, args, kwargs.")
task_postrun = Signal("task_postrun", "Sender: task. task_id, task, args, kwargs, retval, state.")
task_success = Signal("task_success", "Sender: task. result, runtime.")
task_retry = Signal("task_retry", "Sender: task. request, reason, einfo.")
task_failure = Signal("task_failure", "Sender: task. task_id, exception, args, kwargs, traceback, einfo.")
task_internal_error = Signal(
    "task_internal_error", "Sender: task. task_id, args, kwargs, request, exception, traceback, einfo."
)
task_revoked = Signal("task_revoked", "Sender: task. request, terminated, signum, expired.")
task_rejected = Signal("task_rejected", "Sender: consumer. message, exc.")
task_unknown = Signal("task_unknown", "Sender: consumer. message, exc, name, id.")

import_modules = Signal("import_modules", "Sender: app. The modules of its tasks are about to be imported.")

celeryd_init = Signal("celeryd_init", "Sender: node name. instance, conf, options.")
celeryd_after_setup = Signal("celeryd_after_setup", "Sender: node name. instance, conf.")
worker_init = Signal("worker_init", "Sender: worker.")
worker_ready = Signal("worker_ready", "Sender: consumer.")
worker_shutting_down = Signal("worker_shutting_down", "Sender: node name. sig, how, exitcode.")
worker_shutdown = Signal("worker_shutdown", "Sender: worker.")
worker_before_create_process = Signal("worker_before_create_process", "Sender: the process about to be started.")
worker_process_init = Signal("worker_process_init", "Sender: node name. A process that runs tasks has begun.")
worker_process_shutdown = Signal("worker_process_shutdown", "Sender: node name. pid, exitcode.")
heartbeat_sent = Signal("heartbeat_sent", "Sender: what sends a worker's heartbeat events.")

eventlet_pool_started = Signal("eventlet_pool_started", "Sender: the lane. It is about to take tasks.")
eventlet_pool_preshutdown = Signal("eventlet_pool_preshutdown", "Sender: the lane. It takes no more tasks.")
eventlet_pool_postshutdown = Signal("eventlet_pool_postshutdown", "Sender: the lane. All its tasks have ended.")
eventlet_pool_apply = Signal("eventlet_pool_apply", "Sender: the lane. target, args, kwargs.")

beat_init = Signal("beat_init", "Sender: beat.")
beat_embedded_init = Signal("beat_embedded_init", "Sender: beat, inside a worker.")

beat_init = Signal("beat_init", "Sender: the scheduler. A beat of its own is about to run.")
beat_embedded_init = Signal("beat_embedded_init", "Sender: the scheduler. A beat inside a worker is about to run.")

setup_logging = Signal(
    "setup_logging", "Sender: None. loglevel, logfile, format, colorize. With any receiver, Umbel sets up no logging."
)
after_setup_logger = Signal("after_setup_logger", "Sender: None. logger, loglevel, logfile, format, colorize.")
after_setup_task_logger = Signal(
    "after_setup_task_logger", "Sender: None. logger, loglevel, logfile, format, colorize."
)
user_preload_options = Signal("user_preload_options", "Sender: the command. app, options.")
