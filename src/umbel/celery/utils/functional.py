"""Celery's ``utils.functional`` (and kombu's): small functions over lists, arguments and values. Pure."""

import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial, wraps
from itertools import islice
from threading import RLock
from typing import Any, TypeVar

from umbel.celery import offered

T = TypeVar("T")
SCALARS = (Mapping, str)


def noop(*args: Any, **kwargs: Any) -> None:
    """Do nothing."""


def is_list(obj: Any, scalars: tuple[type, ...] = SCALARS, iters: tuple[type, ...] = (Iterable,)) -> bool:
    """Whether it is a collection of items, and not text or a mapping."""
    return isinstance(obj, iters) and not isinstance(obj, scalars or ())


def maybe_list(obj: Any, scalars: tuple[type, ...] = SCALARS) -> Any:
    """A list of one for what is none; None stays None."""
    return obj if obj is None or is_list(obj, scalars) else [obj]


def maybe(typ: Callable[[Any], Any], val: Any) -> Any:
    """``typ(val)``; None stays None."""
    return None if val is None else typ(val)


def chunks(it: Iterator[T], n: int) -> Iterator[list[T]]:
    """Lists of ``n`` items of an iterator; the last may be shorter."""
    while some := list(islice(it, n)):
        yield some


def padlist(container: Iterable[Any], size: int, default: Any = None) -> list[Any]:
    """The first ``size`` items, filled up with ``default``."""
    items = list(container)[:size]
    return items + [default] * (size - len(items))


def uniq(it: Iterable[T]) -> Iterator[T]:
    """Each item once, in order."""
    yield from dict.fromkeys(it)


def first(predicate: Callable[[Any], Any] | None, it: Iterable[Any]) -> Any:
    """The first item that ``predicate`` accepts (None: that is not None), or None."""
    for item in it:
        if (item is not None) if predicate is None else predicate(item):
            return item
    return None


def firstmethod(method: str, on_call: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """A function that asks the objects of its first argument in turn, until one answers other than None."""

    def ask(it: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        for obj in it:
            found = getattr(maybe_evaluate(obj), method, None)
            if found is not None:
                answer = on_call(found, *args, **kwargs) if on_call else found(*args, **kwargs)
                if answer is not None:
                    return answer
        return None

    return ask


def mattrgetter(*attrs: str) -> Callable[[Any], dict[str, Any]]:
    """A function from an object to a dict of these attributes, None for those it has not."""
    return lambda obj: {attr: getattr(obj, attr, None) for attr in attrs}


def dictfilter(d: Mapping[str, Any] | None = None, **kw: Any) -> dict[str, Any]:
    """Without the keys whose value is None."""
    return {name: value for name, value in {**(d or {}), **kw}.items() if value is not None}


def fun_takes_argument(name: str, fun: Callable[..., Any], position: int | None = None) -> bool:
    """Whether it takes any number of arguments, or so many as ``position``, or (without that) one of this name."""
    parameters = inspect.signature(fun).parameters.values()
    many = any(parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) for parameter in parameters)
    return many or (len(parameters) >= position if position else name in (one.name for one in parameters))


def fun_accepts_kwargs(fun: Callable[..., Any]) -> bool:
    """Whether it takes any keyword."""
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in inspect.signature(fun).parameters.values())


class LRUCache(OrderedDict[Any, Any]):
    """A mapping that forgets what was not looked at for the longest time, once it has more than ``limit`` keys."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.mutex = RLock()
        super().__init__()

    def __getitem__(self, key: Any) -> Any:
        with self.mutex:
            value = super().__getitem__(key)
            self.move_to_end(key)
            return value

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.mutex:
            super().__setitem__(key, value)
            while self.limit and len(self) > self.limit:
                self.popitem(last=False)

    def incr(self, key: Any, delta: int = 1) -> int:
        """Add to a number that is there, and return it."""
        with self.mutex:
            self[key] = int(self[key]) + delta
            return int(self[key])


def memoize(
    maxsize: int | None = None, keyfun: Callable[..., Any] | None = None, Cache: Any = LRUCache
) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """A decorator that keeps what a function returned. ``keyfun``: what tells two calls apart (their arguments)."""

    def decorate(fun: Callable[..., T]) -> Callable[..., T]:
        cache = Cache(limit=maxsize)

        @wraps(fun)
        def kept(*args: Any, **kwargs: Any) -> T:
            key = keyfun(args, kwargs) if keyfun else (args, frozenset(kwargs.items()))
            try:
                value: T = cache[key]
            except KeyError:
                value = cache[key] = fun(*args, **kwargs)
            return value

        kept.clear = cache.clear  # type: ignore[attr-defined]  # as Celery's has it
        return kept

    return decorate


class lazy:
    """A call that is made when it is asked for: every time."""

    def __init__(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._call = partial(fun, *args, **kwargs)

    def __call__(self) -> Any:
        """Its value."""
        return self.evaluate()

    def evaluate(self) -> Any:
        """Make the call."""
        return self._call()

    def __str__(self) -> str:
        return str(self())

    def __eq__(self, other: object) -> bool:
        return bool(self() == other)

    __hash__ = object.__hash__


class mlazy(lazy):
    """A call that is made when it is asked for: the first time."""

    evaluated = False
    _value: Any = None

    def evaluate(self) -> Any:
        """What the call gave."""
        if not self.evaluated:
            self._value, self.evaluated = super().evaluate(), True
        return self._value


def maybe_evaluate(value: Any) -> Any:
    """The value; of a ``lazy``, what it comes to."""
    return value.evaluate() if isinstance(value, lazy) else value


def regen(it: Iterable[Any]) -> Any:
    """What can be gone through more than once: a list or tuple itself, of anything else a list."""
    return it if isinstance(it, list | tuple) else list(it)


__getattr__ = offered.names_not_in(__name__)
