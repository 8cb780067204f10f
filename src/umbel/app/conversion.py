"""Tasks whose arguments and results are more than plain data, by their annotations: what is sent is plain all the same.

``pydantic=True`` is Celery's: models of pydantic, made in the worker. ``typed=True`` is Umbel's: whatever msgspec knows
(dataclasses, attrs, enums, ``UUID``, ``datetime``, lists and dicts of them) and models, held against the annotations
where the call is made. Sends nothing and runs nothing; tasks without these options never come here.
"""

import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from importlib import import_module
from types import UnionType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from umbel.app import parameters
from umbel.core.errors import ImproperlyConfigured
from umbel.wire import json

if TYPE_CHECKING:
    from umbel.app.application import Umbel

Args = tuple[Any, ...] | list[Any]
Kwargs = Mapping[str, Any]

OPTIONS = ("pydantic", "pydantic_strict", "pydantic_context", "pydantic_dump_kwargs", "typed")
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_WRITTEN = (date, datetime, time, Decimal, UUID, bytes)
"""Types that JSON carries in a form of its own, here and in Celery."""


def conversion_of(
    app: "Umbel", name: str, function: Callable[..., Any], options: dict[str, Any], *, bind: bool
) -> "Conversion | None":
    """What the options ask for, which are taken out; None if they ask for nothing.

    Raises ``ImproperlyConfigured`` where pydantic is not installed, and for options that contradict each other.
    """
    given = {option: options.pop(option) for option in OPTIONS if option in options}
    if given.get("pydantic") and given.get("typed"):
        raise ImproperlyConfigured(f"task {name}: pydantic=True and typed=True do the same in two ways; choose one")
    if given.get("typed"):
        return Typed(name, function, bind=bind)
    if not given.get("pydantic"):
        return None
    try:
        base = import_module("pydantic").BaseModel
    except ModuleNotFoundError as error:
        raise ImproperlyConfigured(
            f"task {name}: pydantic=True needs pydantic: pip install 'umbel[pydantic]'"
        ) from error
    context = {**(given.get("pydantic_context") or {}), "celery_app": app, "celery_task_name": name}
    return Pydantic(
        name,
        function,
        bind=bind,
        base=base,
        strict=bool(given.get("pydantic_strict")),
        context=context,
        dumping={"mode": "json", **(given.get("pydantic_dump_kwargs") or {})},
    )


class Conversion:
    """From what the caller gives to plain data, from that to what the function takes; and back for what it returns."""

    def __init__(self, name: str, function: Callable[..., Any], *, bind: bool) -> None:
        self.name = name
        self.signature = inspect.signature(function)
        self._function = function
        self._parameters = list(self.signature.parameters.values())[int(bind) :]
        self._hints: dict[str, Any] | None = None

    def made(self, name: str, hint: Any, value: Any) -> Any:
        """In the worker: what the function takes. Raises what says that ``value`` is none."""
        raise NotImplementedError

    def sent(self, name: str, hint: Any, value: Any) -> Any:
        """In the caller: what is sent."""
        raise NotImplementedError

    def returned(self, value: Any) -> Any:
        """In the worker: what is stored."""
        raise NotImplementedError

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The task's body: ``function`` between the two."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def body(*args: Any, **kwargs: Any) -> Any:
                bound = self._made(args, kwargs)
                return self.returned(await function(*bound.args, **bound.kwargs))

        else:

            @functools.wraps(function)
            def body(*args: Any, **kwargs: Any) -> Any:
                bound = self._made(args, kwargs)
                return self.returned(function(*bound.args, **bound.kwargs))

        parameters.around(function, body)
        return body

    def outgoing(self, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        """The arguments of a call as they are sent: in the same places, under the same names."""
        places = zip(self._by_place(), args, strict=False)
        sent = [self.sent(name, hint, value) for (name, hint), value in places]
        named = {name: self.sent(name, self._by_name(name), value) for name, value in kwargs.items()}
        return (sent if isinstance(args, list) else tuple(sent)), named

    def hint(self, name: str) -> Any:
        """What is written at a parameter, or at ``return``; None where nothing is, or where it cannot be found."""
        if self._hints is None:
            try:
                self._hints = typing.get_type_hints(self._function, include_extras=True)
            except (NameError, AttributeError, TypeError):  # names that a type checker alone imports, or not yet
                raw = inspect.get_annotations(self._function)
                return None if isinstance(raw.get(name), str) else raw.get(name)
        return self._hints.get(name)

    def _made(self, args: Any, kwargs: Any) -> inspect.BoundArguments:
        bound = self.signature.bind(*args, **kwargs)
        for parameter in self._parameters:
            hint = self.hint(parameter.name) if parameter.name in bound.arguments else None
            if hint is None:
                continue
            value = bound.arguments[parameter.name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                value = tuple(self.made(parameter.name, hint, item) for item in value)
            elif parameter.kind is parameter.VAR_KEYWORD:
                value = {name: self.made(name, hint, item) for name, item in value.items()}
            else:
                value = self.made(parameter.name, hint, value)
            bound.arguments[parameter.name] = value
        return bound

    def _by_place(self) -> Iterator[tuple[str, Any]]:
        """The names and annotations of positional arguments, one after the other, without end."""
        rest: tuple[str, Any] = ("", None)
        for parameter in self._parameters:
            named = parameter.name, self.hint(parameter.name)
            if parameter.kind is parameter.VAR_POSITIONAL:
                rest = named
            elif parameter.kind is not parameter.KEYWORD_ONLY and parameter.kind is not parameter.VAR_KEYWORD:
                yield named
        while True:
            yield rest

    def _by_name(self, name: str) -> Any:
        for parameter in self._parameters:
            if parameter.name == name and parameter.kind not in _VARIABLE:
                return self.hint(name)
        rest = next((one.name for one in self._parameters if one.kind is one.VAR_KEYWORD), None)
        return None if rest is None else self.hint(rest)


class Pydantic(Conversion):
    """``pydantic=True``, as Celery 5.7 has it: arguments annotated with a model, or with a model or None.

    A model that the caller gives is sent as its dump if the model can be made of that again, and it is equal; another
    one is left to the serializer, which refuses it. A returned model is dumped where the annotation says that it comes.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        bind: bool,
        base: type,
        strict: bool,
        context: dict[str, Any],
        dumping: dict[str, Any],
    ) -> None:
        super().__init__(name, function, bind=bind)
        self._base = base
        self._strict = strict
        self._context = context
        self._dumping = dumping

    def made(self, name: str, hint: Any, value: Any) -> Any:
        """A model. Raises pydantic's ``ValidationError``."""
        model = self._model(hint, value)
        return value if model is None else self._validated(model, value)

    def sent(self, name: str, hint: Any, value: Any) -> Any:
        """The dump of a model."""
        if not isinstance(value, self._base) or hasattr(type(value), "__json__"):
            return value
        model = self._model(hint, value)
        if model is None:
            return value
        try:
            dump = value.model_dump(**self._dumping)  # type: ignore[attr-defined]  # a model has it
            return dump if self._validated(model, dump) == value else value
        except Exception:  # noqa: BLE001  the model's own validators, which may work in a worker only
            return value

    def returned(self, value: Any) -> Any:
        """The dump of a model."""
        hint = _without_none(self.hint("return"))
        if isinstance(value, self._base) and isinstance(hint, type) and isinstance(value, hint):
            return value.model_dump(**self._dumping)  # type: ignore[attr-defined]  # a model has it
        return value

    def _model(self, hint: Any, value: Any) -> Any:
        kind = hint if value is None else _without_none(hint)
        return kind if isinstance(kind, type) and issubclass(kind, self._base) else None

    def _validated(self, model: Any, value: Any) -> Any:
        return model.model_validate(value, strict=self._strict, context=dict(self._context))


class Typed(Conversion):
    """``typed=True``: what msgspec converts, and models of pydantic, by every annotation there is."""

    def made(self, name: str, hint: Any, value: Any) -> Any:
        """The value as the annotation has it. Raises ``TypeError`` with the argument's name."""
        try:
            return msgspec.convert(value, hint, dec_hook=_made_by_itself)
        except (msgspec.ValidationError, TypeError, NotImplementedError) as error:
            raise TypeError(f"argument {name!r} of {self.name}: {error}") from error

    def sent(self, name: str, hint: Any, value: Any) -> Any:
        """The value in plain data. Where there is an annotation, it must be what that says: else ``TypeError``."""
        try:
            plain = self.returned(value)
        except (TypeError, NotImplementedError) as error:
            raise TypeError(f"argument {name!r} of {self.name}: {error}") from error
        if hint is not None:
            self.made(name, hint, plain)
        return plain

    def returned(self, value: Any) -> Any:
        """The value in plain data."""
        return value if json.plain(value) else msgspec.to_builtins(value, builtin_types=_WRITTEN, enc_hook=_dumped)


def _without_none(hint: Any) -> Any:
    """``X`` of ``X | None`` and ``Optional[X]``; any other annotation as it is."""
    if typing.get_origin(hint) not in (typing.Union, UnionType):
        return hint
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
    return kinds[0] if len(kinds) == 1 and len(typing.get_args(hint)) == 2 else hint


def _made_by_itself(kind: Any, value: Any) -> Any:
    """A value of a type that msgspec does not know: it is one already, or the type is a model."""
    if isinstance(value, kind):
        return value
    if hasattr(kind, "model_validate"):
        try:
            return kind.model_validate(value)
        except ValueError as error:
            raise TypeError(_in_one_line(error)) from error
    raise NotImplementedError(f"{kind.__qualname__} is not made of {value!r}: annotate it with a type that has fields")


def _in_one_line(error: ValueError) -> str:
    """What pydantic found, without its advertisement."""
    found = error.errors() if hasattr(error, "errors") else []
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found) or str(error)


def _dumped(value: Any) -> Any:
    """A value of a type that msgspec does not know: a model is dumped, the rest is left to the serializer."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "__json__"):
        return value.__json__()
    raise NotImplementedError(f"{type(value).__qualname__} has no plain form; pass an id to load it by")
