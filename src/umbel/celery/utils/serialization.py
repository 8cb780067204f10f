"""Celery's ``utils.serialization``: exceptions that pickle cannot carry, and bytes as text."""

import base64
import pickle
from collections.abc import Callable, Mapping
from typing import Any

WORDS = {
    **dict.fromkeys(("false", "no", "0", "off"), False),
    **dict.fromkeys(("true", "yes", "1", "on"), True),
}
UNWANTED_BASES = (Exception, BaseException, object)
"""Classes that say nothing of what was raised."""


def subclass_exception(name: str, parent: Any, module: str) -> Any:
    """A new class of exceptions."""
    return type(name, (parent,), {"__module__": module})


def create_exception_cls(name: str, module: str, parent: Any = None) -> Any:
    """A new class of exceptions, of ``Exception`` unless said otherwise."""
    return subclass_exception(name, parent or Exception, module)


class UnpickleableExceptionWrapper(Exception):
    """Stands for an exception that pickle cannot carry: where its class is, and its arguments as text."""

    exc_module: str | None = None
    exc_cls_name: str | None = None
    exc_args: Any = None

    def __init__(self, exc_module: str, exc_cls_name: str, exc_args: Any, text: str | None = None) -> None:
        safe = [arg if _carried(arg) else repr(arg) for arg in exc_args]
        self.exc_module, self.exc_cls_name, self.exc_args, self.text = exc_module, exc_cls_name, safe, text
        super().__init__(exc_module, exc_cls_name, safe, text)

    def restore(self) -> BaseException:
        """An exception of a class of that name."""
        error: BaseException = create_exception_cls(self.exc_cls_name or "", self.exc_module or "")(*self.exc_args)
        return error

    def __str__(self) -> str:
        return self.text or ""

    @classmethod
    def from_exception(cls, exc: BaseException) -> "UnpickleableExceptionWrapper":
        """What stands for ``exc``."""
        return cls(type(exc).__module__, type(exc).__name__, getattr(exc, "args", []), repr(exc))


def _carried(value: Any) -> bool:
    try:
        pickle.loads(pickle.dumps(value))
    except Exception:  # noqa: BLE001  whatever user code raises
        return False
    return True


def find_pickleable_exception(
    exc: BaseException, loads: Callable[[bytes], Any] = pickle.loads, dumps: Callable[[Any], bytes] = pickle.dumps
) -> BaseException | None:
    """``exc`` as the nearest of its base classes that pickle carries, or None."""
    for kind in type(exc).__mro__:
        if kind in UNWANTED_BASES:
            return None
        try:
            stand_in = kind(*getattr(exc, "args", []))
            loads(dumps(stand_in))
        except Exception:  # noqa: BLE001  whatever user code raises
            continue
        return stand_in if isinstance(stand_in, BaseException) else None
    return None


def get_pickleable_exception(exc: BaseException) -> BaseException:
    """``exc``, or what stands for it where pickle cannot carry it."""
    if _carried(exc):
        return exc
    return find_pickleable_exception(exc) or UnpickleableExceptionWrapper.from_exception(exc)


def get_pickleable_etype(
    cls: type, loads: Callable[[bytes], Any] = pickle.loads, dumps: Callable[[Any], bytes] = pickle.dumps
) -> type:
    """The class, or ``Exception`` where pickle cannot carry it."""
    try:
        loads(dumps(cls))
    except Exception:  # noqa: BLE001  whatever user code raises
        return Exception
    return cls


def get_pickled_exception(exc: BaseException) -> BaseException:
    """The exception that ``exc`` stands for."""
    return exc.restore() if isinstance(exc, UnpickleableExceptionWrapper) else exc


def b64encode(s: bytes | str) -> str:
    """Bytes as text."""
    return base64.b64encode(s.encode() if isinstance(s, str) else s).decode()


def b64decode(s: bytes | str) -> bytes:
    """The bytes of that text."""
    return base64.b64decode(s)


def strtobool(term: Any, table: Mapping[str, bool] | None = None) -> Any:
    """What a word for yes or no means. Raises ``TypeError`` for another one; what is no text stays as it is."""
    if not isinstance(term, str):
        return term
    try:
        return (table or WORDS)[term.lower()]
    except KeyError:
        raise TypeError(f"{term!r} is no word for yes or no; there is {', '.join(table or WORDS)}") from None


def raise_with_context(exc: BaseException) -> None:
    """Raise ``exc``, with what is being handled as its context."""
    raise exc
