"""An exception raised inside user code on another thread, and nowhere else: soft limits where there are many threads.

The interpreter raises it between two bytecodes of that thread, whenever it gets to it. So the call is armed and
disarmed under a lock, what has been set and not raised yet is taken back at the end, and what strikes on the way out
is swallowed there: it comes out of ``Strike.call``, or not at all.
"""

import ctypes
from collections.abc import Callable
from functools import lru_cache
from inspect import iscoroutine
from typing import Any

from umbel.core.errors import SoftTimeLimitExceeded
from umbel.runtime.unpatched import allocate_lock, get_ident
from umbel.worker.awaiting import Awaiting, SoftCancelled
from umbel.worker.limits import as_limit

_set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_exception.argtypes = (ctypes.c_ulong, ctypes.py_object)
_NOTHING = ctypes.py_object()
"""A null pointer: takes back what was set."""


class Strike:
    """One call on one thread that may be struck from another."""

    def __init__(self, awaiting: Awaiting) -> None:
        self._awaiting = awaiting
        self._lock = allocate_lock()
        self._armed = False
        self._set = False
        self._ident = 0

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any, *, awaits: bool = True) -> Any:
        """Call, and a coroutine to its end if ``awaits``; what ``strike`` sends is raised inside."""
        self._ident = get_ident()
        try:
            try:
                self._armed = True
                value = function(*args, **kwargs)
                return self._awaiting.run(value) if awaits and iscoroutine(value) else value
            finally:
                self._disarm()
        except (_Struck, SoftCancelled) as error:
            raise as_limit(error) from error.__cause__

    def _disarm(self) -> None:
        while True:
            try:
                with self._lock:
                    self._armed = False
                    if self._set:
                        _set_exception(self._ident, _NOTHING)
                        self._set = False
            except _Struck:
                continue  # it struck here: the call has ended already
            return

    def strike(self, soft: float) -> bool:
        """Raise ``SoftTimeLimitExceeded`` inside the call. False: no call is under way now. From another thread."""
        with self._lock:
            if not self._armed:
                return False
            if self._awaiting.waits():
                self._awaiting.interrupt(SoftCancelled(soft))
            else:
                self._set = True
                _set_exception(self._ident, ctypes.py_object(_kind(soft)))
            return True


class _Struck(SoftTimeLimitExceeded):
    """As it is raised in the thread: the interpreter takes a class, and calls it without arguments."""


@lru_cache(maxsize=64)
def _kind(soft: float) -> type[_Struck]:
    """A class whose instances carry the limit."""

    class Struck(_Struck):
        def __init__(self) -> None:
            super().__init__(soft)

    Struck.__name__ = Struck.__qualname__ = SoftTimeLimitExceeded.__name__
    return Struck
