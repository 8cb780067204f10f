"""A call that has not been made yet: ``add.s(2, 2)``. A dict in Celery's form, bound to an app; the rules are in core.

Chains, groups and chords are the subclasses in ``umbel.app.canvas``, which join ``TYPES``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import chain as concatenated
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, cast

from umbel.app import ambient, calling, stamping
from umbel.core import signature as data
from umbel.core.errors import ImproperlyConfigured
from umbel.core.unfolding import freeze

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.app.results import AsyncResult
    from umbel.app.stamping import StampingVisitor
    from umbel.app.task import Task

R = TypeVar("R", covariant=True)
S = TypeVar("S")
T = TypeVar("T", bound="Signature[Any]")


class Signature(dict[str, Any], Generic[R]):
    """Task, arguments and options of a call. It can be called, passed on as an argument, stored, and combined.

    ``task`` is a name, a task, or a signature as a dict. ``subtask_type`` and ``immutable`` as in Celery's dict form.
    """

    TYPES: ClassVar[dict[str, "type[Signature[Any]]"]] = {}
    own_app: "Umbel | None" = None
    known_task: "Task[..., Any] | None" = None

    def __init__(
        self,
        task: "Task[..., Any] | str | Mapping[str, Any] | None" = None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        type: "Task[..., Any] | None" = None,
        subtask_type: str | None = None,
        immutable: bool = False,
        app: "Umbel | None" = None,
        **more: Any,
    ) -> None:
        self.own_app = app
        if isinstance(task, Mapping):
            super().__init__(task)
            return
        if task is not None and not isinstance(task, str):
            self.known_task = task
        elif type is not None:
            self.known_task = type
        super().__init__(
            task=task if isinstance(task, str) or task is None else task.name,
            args=tuple(args or ()),
            kwargs=dict(kwargs or {}),
            options={**(options or {}), **more},
            subtask_type=subtask_type,
            immutable=immutable,
        )

    # Making -----------------------------------------------------------------------------------------------------------

    @classmethod
    def register_type(cls, name: str | None = None) -> "Callable[[type[T]], type[T]]":
        """Have signatures of this ``subtask_type`` made by the decorated class."""

        def register(kind: type[T]) -> type[T]:
            cls.TYPES[name or kind.__name__] = kind
            return kind

        return register

    @classmethod
    def from_dict(cls, d: Mapping[str, Any], app: "Umbel | None" = None) -> "Signature[Any]":
        """The signature of this dict, as a chain, group or chord if it is one.

        Raises ``InvalidTaskError`` where it, or something in it, is no signature.
        """
        if not isinstance(d, Signature):
            data.check(d)
        return _built(d, app)

    @classmethod
    def of_fields(cls, d: Mapping[str, Any], app: "Umbel | None") -> "Signature[Any]":
        """A signature of this class with these fields, unchecked."""
        made = cls.__new__(cls)
        dict.__init__(made, {**data.make(""), **d})
        made["args"] = tuple(made["args"] or ())
        made["kwargs"] = dict(made["kwargs"] or {})
        made["options"] = dict(made["options"] or {})
        made.own_app = app
        return made

    # Calling ----------------------------------------------------------------------------------------------------------

    def __call__(self, *partial_args: Any, **partial_kwargs: Any) -> Any:
        """Run the task here, as a plain call."""
        args, kwargs, _ = self._merge(partial_args, partial_kwargs)
        return self.type(*args, **kwargs)

    def delay(self, *partial_args: Any, **partial_kwargs: Any) -> "AsyncResult[R]":
        """Call it, with more arguments."""
        return self.apply_async(partial_args, partial_kwargs)

    async def adelay(self, *partial_args: Any, **partial_kwargs: Any) -> "AsyncResult[R]":
        """``delay``, for coroutines."""
        return await self.aapply_async(partial_args, partial_kwargs)

    def apply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> "AsyncResult[R]":
        """Call it with more arguments and options. Arguments go in front of its own; options win over its own.

        An immutable signature ignores ``args`` and ``kwargs``. Raises as ``Task.apply_async``.
        """
        args, kwargs, options = self._merge(args, kwargs, options)
        task = self._known()
        if task is not None:
            return task.apply_async(args, kwargs, **options)
        return self.app.send_task(self["task"], args, kwargs, **options)

    async def aapply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> "AsyncResult[R]":
        """``apply_async``, for coroutines."""
        args, kwargs, options = self._merge(args, kwargs, options)
        task = self._known()
        if task is not None:
            return await task.aapply_async(args, kwargs, **options)
        return await self.app.asend_task(self["task"], args, kwargs, **options)

    def apply(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> "AsyncResult[R]":
        """Run it here and now, without a message."""
        args, kwargs, options = self._merge(args, kwargs, options)
        return self.type.apply(args, kwargs, **calling.for_eager(options))

    def __invert__(self) -> R:
        """``~sig``: call it and wait for its value."""
        return self.apply_async().get()

    def _known(self) -> "Task[..., Any] | None":
        return self.known_task or self.app.tasks.get(self["task"])

    # Changing ---------------------------------------------------------------------------------------------------------

    def _merge(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
        """Arguments and options of a call with these."""
        options = data.merged(self.options, options or {})
        whole = data.prepended(self, args or (), kwargs, force=force)
        return tuple(whole["args"]), dict(whole["kwargs"]), options

    def clone(self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any) -> Self:
        """A copy, with more arguments and options. The original stays as it is."""
        args, kwargs, options = self._merge(args, kwargs, options)
        changed = {**self, "args": args, "kwargs": kwargs, "options": deepcopy(options)}
        made = _built(changed, self.own_app)
        made.known_task = self.known_task
        return cast("Self", made)

    partial = clone

    def replace(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Self:
        """A copy with other arguments or options in place of its own."""
        made = self.clone()
        if args is not None:
            made["args"] = tuple(args)
        if kwargs is not None:
            made["kwargs"] = dict(kwargs)
        if options is not None:
            made["options"] = dict(options)
        return made

    def set(self, immutable: bool | None = None, **options: Any) -> Self:
        """Set options of this signature, and return it: ``add.s(2, 2).set(queue="email")``."""
        if immutable is not None:
            self.set_immutable(immutable)
        self.options.update(options)
        return self

    def set_immutable(self, immutable: bool) -> None:
        """Whether it ignores partial arguments."""
        self["immutable"] = immutable

    def freeze(
        self,
        _id: str | None = None,
        group_id: str | None = None,
        chord: Mapping[str, Any] | None = None,
        root_id: str | None = None,
        parent_id: str | None = None,
        group_index: int | None = None,
    ) -> "AsyncResult[R]":
        """Give it its id (and all in it theirs) before it is called, and return the handle on its result."""
        if parent_id:
            self.options["parent_id"] = parent_id
        frozen, result = freeze(
            data.plain(self),
            new_id=calling.ids(self.app),
            task_id=_id,
            group_id=group_id,
            chord=None if chord is None else data.plain(chord),
            group_index=group_index,
            root_id=root_id,
        )
        self.update(_built(frozen, self.own_app))
        return cast("AsyncResult[R]", self.app.result_from_tuple(result))

    # Links ------------------------------------------------------------------------------------------------------------

    def link(self, callback: T) -> T:
        """Call ``callback`` with the result when this has succeeded. Returns the callback."""
        return self.append_to_list_option("link", callback)

    def link_error(self, errback: T) -> T:
        """Call ``errback`` when this has failed. Returns the errback."""
        return self.append_to_list_option("link_error", errback)

    def on_error(self, errback: "Signature[Any]") -> Self:
        """``link_error`` that returns this signature."""
        self.link_error(errback)
        return self

    def append_to_list_option(self, key: str, value: T) -> T:
        """Add to an option that is a list, unless it is there already."""
        items = self.options[key] = data.listed(self.options.get(key))
        if value not in items:
            items.append(value)
        return value

    def extend_list_option(self, key: str, value: Any) -> None:
        """Add several to an option that is a list."""
        self.options[key] = [*data.listed(self.options.get(key)), *data.listed(value)]

    def flatten_links(self) -> "list[Signature[Any]]":
        """This signature, its callbacks, theirs, and so on."""
        return [self, *concatenated.from_iterable(one.flatten_links() for one in self.links_of("link"))]

    # Stamps -----------------------------------------------------------------------------------------------------------

    def stamp(self, visitor: "StampingVisitor | None" = None, append_stamps: bool = False, **headers: Any) -> None:
        """Put stamps on this call and all that belongs to it: ``headers``, and what ``visitor`` says of each."""
        stamping.stamp(self, visitor, headers, append=append_stamps)

    def stamp_links(self, visitor: "StampingVisitor | None", append_stamps: bool = False, **headers: Any) -> None:
        """Put stamps on callbacks and errbacks only."""
        stamping.stamp_links(self, visitor, headers, append=append_stamps)

    def links_of(self, option: str) -> "list[Signature[Any]]":
        """The callbacks (``link``) or errbacks (``link_error``) as signatures."""
        return [maybe_signature(one, self.own_app) for one in data.listed(self.options.get(option))]

    def election(self) -> None:
        """Not built: Umbel's workers hold no elections. Raises ``ImproperlyConfigured``."""
        raise ImproperlyConfigured("elections need gossip between workers, which Umbel has not: call the task instead")

    # Combining --------------------------------------------------------------------------------------------------------

    def __or__(self, other: "Signature[S]") -> "Signature[S]":  # type: ignore[override]
        """``a | b``: a chain. ``group | b`` is a chord."""
        if not isinstance(other, Signature):
            return NotImplemented
        return cast("Signature[S]", _built(data.piped(self, other), self.own_app or other.own_app))

    def __ior__(self, other: "Signature[S]") -> "Signature[S]":  # type: ignore[override]
        return Signature.__or__(self, other)

    # Reading ----------------------------------------------------------------------------------------------------------

    @property
    def app(self) -> "Umbel":
        """The app through which it is called."""
        if self.own_app is not None:
            return self.own_app
        if self.known_task is not None:
            return self.known_task.app
        return ambient.get_current_app()

    @property
    def type(self) -> "Task[..., Any]":
        """The task. Raises ``NotRegistered`` where this app does not have it."""
        return self.known_task or self.app.tasks[self["task"]]

    @property
    def name(self) -> str:
        """The task's name."""
        return cast("str", self["task"])

    task = name

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments."""
        return cast("tuple[Any, ...]", self["args"])

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments."""
        return cast("dict[str, Any]", self["kwargs"])

    @property
    def options(self) -> dict[str, Any]:
        """The options of the call."""
        return cast("dict[str, Any]", self["options"])

    @property
    def subtask_type(self) -> str | None:
        """``chain``, ``group``, ``chord`` or None."""
        return cast("str | None", self.get("subtask_type"))

    @property
    def immutable(self) -> bool:
        """Whether it ignores partial arguments."""
        return bool(self["immutable"])

    @property
    def id(self) -> str | None:
        """The task id, if it has one yet."""
        return self.options.get("task_id")

    @property
    def parent_id(self) -> str | None:
        """The id of the task that calls it, if that is known."""
        return self.options.get("parent_id")

    @property
    def root_id(self) -> str | None:
        """The id of the first task of its workflow, if that is known."""
        return self.options.get("root_id")

    def reprcall(self, *args: Any, **kwargs: Any) -> str:
        """How the call would be written, with more arguments."""
        args, kwargs, _ = self._merge(args, kwargs, {}, force=True)
        shown = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
        return f"{self['task']}({', '.join(shown)})"

    def __repr__(self) -> str:
        return self.reprcall()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        memo[id(self)] = self
        return self._copy(deepcopy(dict(self), memo))

    def __copy__(self) -> Self:
        return self._copy(dict(self))

    def _copy(self, fields: dict[str, Any]) -> Self:
        made = _built(fields, self.own_app)
        made.known_task = self.known_task
        return cast("Self", made)

    def __reduce__(self) -> Any:
        return _built, (data.plain(self),)


def _built(d: Mapping[str, Any], app: "Umbel | None" = None) -> Signature[Any]:
    """A signature of the class of its type."""
    return Signature.TYPES.get(data.kind(d) or "", Signature).of_fields(d, app)


def signature(
    varies: Any,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    app: "Umbel | None" = None,
    **more: Any,
) -> Signature[Any]:
    """A signature of a task's name or a task (``args``, ``kwargs``, ``options`` follow), or of a dict."""
    if isinstance(varies, Mapping):
        if isinstance(varies, Signature):
            return varies.clone()
        return Signature.from_dict(varies, app=app)
    made: Signature[Any] = Signature(varies, args, kwargs, options, app=app, **more)
    return made if data.kind(made) is None else _built(made, app)


def maybe_signature(d: Any, app: "Umbel | None" = None, clone: bool = False) -> Any:
    """A signature of a dict that is one; anything else as it is. ``clone`` copies what is a signature already."""
    if not isinstance(d, Mapping):
        return d
    if not isinstance(d, Signature):
        return Signature.from_dict(d, app=app)
    made = d.clone() if clone else d
    if app is not None:
        made.own_app = app
    return made


def signatures_of(values: Any, app: "Umbel | None" = None) -> Iterator[Signature[Any]]:
    """The signatures in a list, a generator, or of one. Raises ``TypeError`` for what is none."""
    if not isinstance(values, Iterable):
        raise TypeError(f"a canvas is made of signatures, not of {values!r}: write task.s(...)")
    for value in [values] if isinstance(values, Mapping) else values:
        if not isinstance(value, Mapping):
            raise TypeError(f"a canvas is made of signatures, not of {value!r}: write task.s(...)")
        yield maybe_signature(value, app)
