"""Chains, groups, chords, chunks and maps: signatures made of signatures. The rules of nesting are in core.

What ``apply`` makes of them is in ``umbel.app.eager_canvas``; what ``apply_async`` makes is in ``umbel.app.calling``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

from umbel.app import ambient, calling, eager_canvas, stamping
from umbel.app.groups import GroupResult
from umbel.app.signature import R, Signature, maybe_signature, signatures_of
from umbel.core import signature as data

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.app.results import AsyncResult
    from umbel.app.stamping import StampingVisitor

Args = Sequence[Any] | None
Kwargs = Mapping[str, Any] | None


class Canvas(Signature[R]):
    """What chains, groups and chords share: they come to several messages."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it, as ``delay``."""
        return self.apply_async(args, kwargs)

    def apply_async(self, args: Args = None, kwargs: Kwargs = None, **options: Any) -> "AsyncResult[R]":
        """Call it. Partial arguments go to whatever runs first. Raises ``NotImplementedError`` without a result store
        where one is needed, and what ``Task.apply_async`` raises, before anything is sent.
        """
        app = self.app
        options.pop("route_name", None)
        if app.conf.task_always_eager:
            return self.apply(args, kwargs, **options)
        return cast("AsyncResult[R]", calling.send(app, self, tuple(args or ()), dict(kwargs or {}), options))

    async def aapply_async(self, args: Args = None, kwargs: Kwargs = None, **options: Any) -> "AsyncResult[R]":
        """``apply_async``, for coroutines."""
        app = self.app
        if app.conf.task_always_eager:
            return cast("AsyncResult[R]", await eager_canvas.on_thread(self.apply, args, kwargs, **options))
        return cast("AsyncResult[R]", await calling.asend(app, self, tuple(args or ()), dict(kwargs or {}), options))

    def apply(self, args: Args = None, kwargs: Kwargs = None, **options: Any) -> "AsyncResult[R]":
        """Run it here and now, without a message."""
        found = eager_canvas.run(self.app, self, tuple(args or ()), dict(kwargs or {}), calling.for_eager(options))
        return cast("AsyncResult[R]", found)

    def _members(self) -> "list[Signature[Any]]":
        return cast("list[Signature[Any]]", self["kwargs"]["tasks"])

    @property
    def app(self) -> "Umbel":
        """The app through which it is called: that of its first member, if it was not given one."""
        if self.own_app is not None:
            return self.own_app
        members = self._members()
        return members[0].app if members else ambient.get_current_app()

    @property
    def type(self) -> Any:
        """The built-in task of this name."""
        return self.app.tasks[self["task"]]


class _Row(Canvas[R]):
    """Members in a list: chains and groups."""

    _task = ""

    def __init__(self, *tasks: Any, app: "Umbel | None" = None, **options: Any) -> None:
        found = tasks[0] if len(tasks) == 1 else tasks
        kind = type(self).__name__
        super().__init__(self._task, (), {"tasks": _taken(found, app)}, options, subtask_type=kind, app=app)

    @classmethod
    def of_fields(cls, d: Mapping[str, Any], app: "Umbel | None") -> "Signature[Any]":
        """As ``Signature.of_fields``; what is in it become signatures, too."""
        made = super().of_fields(d, app)
        made["kwargs"]["tasks"] = [maybe_signature(one, app, clone=True) for one in made["kwargs"].get("tasks") or ()]
        return made

    @property
    def tasks(self) -> "list[Signature[Any]]":
        """The members."""
        return self._members()

    @tasks.setter
    def tasks(self, tasks: "Iterable[Signature[Any]]") -> None:
        self["kwargs"]["tasks"] = list(tasks)

    def _stamp_members(self, visitor: "StampingVisitor | None", append: bool, headers: dict[str, Any]) -> None:
        for task in self.tasks:
            task.stamp(visitor, append, **headers)


@Signature.register_type()
class chain(_Row[Any]):
    """Tasks one after the other, each with what the one before returned: ``chain(a.s(1), b.s())``, ``a.s(1) | b.s()``.

    Its result is that of the last; ``parent`` leads to the others.
    """

    _task = "celery.chain"

    def __init__(self, *tasks: Any, app: "Umbel | None" = None, **options: Any) -> None:
        super().__init__(*tasks, app=app, **options)
        together: Mapping[str, Any] = data.chain_of(())
        for task in self.tasks:
            together = data.piped(together, task)
        own = app or next((task.own_app for task in self.tasks if task.own_app is not None), None)
        self.update(kwargs=chain.of_fields(together, own)["kwargs"])

    def unchain_tasks(self) -> "list[Signature[Any]]":
        """Copies of the steps, with the callbacks and errbacks of the chain."""
        return [maybe_signature(dict(one), self.own_app, clone=True) for one in data.unchained(self)]

    def stamp(self, visitor: "StampingVisitor | None" = None, append_stamps: bool = False, **headers: Any) -> None:
        """Put stamps on every step."""
        said = visitor.on_chain_start(self, **headers) if visitor is not None else None
        headers = stamping.around(headers, said, append=append_stamps)
        self.stamp_links(visitor, append_stamps, **headers)
        self._stamp_members(visitor, append_stamps, headers)
        if visitor is not None:
            visitor.on_chain_end(self, **headers)

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.tasks)) or "<chain: empty>"


@Signature.register_type()
class group(_Row[list[Any]]):
    """Tasks side by side: ``group(add.s(i, i) for i in range(10))``. Its result is a ``GroupResult``."""

    _task = "celery.group"

    def __init__(self, *tasks: Any, app: "Umbel | None" = None, **options: Any) -> None:
        if len(tasks) == 1 and isinstance(tasks[0], group):
            tasks = (tasks[0].tasks,)
        super().__init__(*tasks, app=app, **options)

    def apply_async(self, args: Args = None, kwargs: Kwargs = None, **options: Any) -> GroupResult:  # type: ignore[override]
        """Call all members, which leave in one publish. Raises as ``Signature.apply_async``."""
        _refuse_links(options)
        return cast("GroupResult", super().apply_async(args, kwargs, **options))

    async def aapply_async(self, args: Args = None, kwargs: Kwargs = None, **options: Any) -> GroupResult:  # type: ignore[override]
        """``apply_async``, for coroutines."""
        _refuse_links(options)
        return cast("GroupResult", await super().aapply_async(args, kwargs, **options))

    def delay(self, *partial_args: Any, **partial_kwargs: Any) -> GroupResult:  # type: ignore[override]
        """Call all members, with more arguments."""
        return self.apply_async(partial_args, partial_kwargs)

    async def adelay(self, *partial_args: Any, **partial_kwargs: Any) -> GroupResult:  # type: ignore[override]
        """``delay``, for coroutines."""
        return await self.aapply_async(partial_args, partial_kwargs)

    def apply(self, args: Args = None, kwargs: Kwargs = None, **options: Any) -> GroupResult:  # type: ignore[override]
        """Run all members here and now, one after the other."""
        return cast("GroupResult", super().apply(args, kwargs, **options))

    def skew(self, start: float = 1.0, stop: float | None = None, step: float = 1.0) -> Self:
        """Give the members countdowns that grow from ``start`` by ``step`` seconds, as far as ``stop``."""
        wait = start
        for task in self.tasks:
            task.set(countdown=wait)
            if not stop or wait + step <= stop:
                wait += step
        return self

    def set_immutable(self, immutable: bool) -> None:
        """Whether the members ignore partial arguments."""
        for task in self.tasks:
            task.set_immutable(immutable)

    def link(self, callback: Any) -> Any:
        """Call ``callback`` when the first member has succeeded, with arguments of its own only."""
        return self.tasks[0].link(maybe_signature(callback).clone().set(immutable=True))

    def link_error(self, errback: Any) -> Any:
        """Call ``errback`` for each member that fails."""
        for task in self.tasks:
            task.link_error(maybe_signature(errback).clone())
        return errback

    def stamp(self, visitor: "StampingVisitor | None" = None, append_stamps: bool = False, **headers: Any) -> None:
        """Put stamps on every member."""
        said = visitor.on_group_start(self, **headers) if visitor is not None else None
        headers = stamping.around(headers, said, append=append_stamps)
        self.stamp_links(visitor, append_stamps, **headers)
        self._stamp_members(visitor, append_stamps, headers)
        if visitor is not None:
            visitor.on_group_end(self, **headers)

    def __len__(self) -> int:
        return len(self.tasks)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"group({self.tasks!r})"


@Signature.register_type()
class chord(Canvas[R]):
    """A header of tasks side by side, and a body that is called once with all their results, in order.

    ``chord(header, body)`` calls nothing yet; ``chord(header)(body)`` calls it at once.
    """

    def __init__(
        self,
        header: Any,
        body: "Signature[R] | None" = None,
        task: str = "celery.chord",
        args: Args = None,
        kwargs: Kwargs = None,
        app: "Umbel | None" = None,
        **options: Any,
    ) -> None:
        if isinstance(header, group) and not header.options:
            header = header.tasks  # as Celery writes it
        above = header.clone() if isinstance(header, group) else _taken(header, app)
        inside = {"kwargs": dict(kwargs or {}), "header": above, "body": maybe_signature(body, app, clone=True)}
        super().__init__(task, args, inside, options, subtask_type="chord", app=app)

    @classmethod
    def of_fields(cls, d: Mapping[str, Any], app: "Umbel | None") -> "Signature[Any]":
        """As ``Signature.of_fields``; what is in it become signatures, too."""
        made = super().of_fields(d, app)
        kwargs = made["kwargs"]
        above = kwargs.get("header") or []
        if isinstance(above, Mapping):
            kwargs["header"] = maybe_signature(above, app, clone=True)
        else:
            kwargs["header"] = [maybe_signature(one, app, clone=True) for one in above]
        kwargs["body"] = maybe_signature(kwargs.get("body"), app, clone=True)
        kwargs.setdefault("kwargs", {})
        return made

    def __call__(self, body: Any = None, **options: Any) -> Any:
        """Call it, with ``body`` if it has none yet."""
        whole = self if body is None else cast("chord[Any]", self.clone()).with_body(body)
        return whole.apply_async((), {}, **options)

    def with_body(self, body: Any) -> Self:
        """Set the body, and return the chord."""
        self["kwargs"]["body"] = maybe_signature(body, self.own_app, clone=True)
        return self

    @property
    def tasks(self) -> "list[Signature[Any]]":
        """The members of the header."""
        return self._members()

    @property
    def header(self) -> group:
        """The header as a group."""
        above = self["kwargs"]["header"]
        return above if isinstance(above, group) else group(above, app=self.own_app)

    @property
    def body(self) -> Any:
        """The signature that is called with the results of the header."""
        return self["kwargs"]["body"]

    @body.setter
    def body(self, body: Any) -> None:
        self.with_body(body)

    def _members(self) -> "list[Signature[Any]]":
        above = self["kwargs"]["header"]
        return above.tasks if isinstance(above, group) else cast("list[Signature[Any]]", above)

    def link(self, callback: Any) -> Any:
        """Call ``callback`` with the result of the body."""
        self.body.link(callback)
        return callback

    def link_error(self, errback: Any) -> Any:
        """Call ``errback`` when the body fails, or cannot be called because a member of the header failed.

        With ``task_allow_error_cb_on_chord_header`` it is called for each failed member of the header, too.
        """
        errback = maybe_signature(errback)
        on_header = self.app.conf.task_allow_error_cb_on_chord_header
        for task in self.tasks:
            if on_header:
                task.link_error(errback.clone())
            elif isinstance(task, chord):
                task.link_error(errback)
        self.body.link_error(errback)
        return errback

    def set_immutable(self, immutable: bool) -> None:
        """Whether the members of the header ignore partial arguments."""
        for task in self.tasks:
            task.set_immutable(immutable)

    def stamp(self, visitor: "StampingVisitor | None" = None, append_stamps: bool = False, **headers: Any) -> None:
        """Put stamps on every member of the header, and on the body."""
        said = visitor.on_chord_header_start(self, **headers) if visitor is not None else None
        headers = stamping.around(headers, said, append=append_stamps)
        self.stamp_links(visitor, append_stamps, **headers)
        for task in self.tasks:
            task.stamp(visitor, append_stamps, **headers)
        if visitor is not None:
            visitor.on_chord_header_end(self, **headers)
        if self.body is not None:
            said = visitor.on_chord_body(self, **headers) if visitor is not None else None
            self.body.stamp(visitor, append_stamps, **stamping.around(headers, said, append=append_stamps))

    def __len__(self) -> int:
        return len(self.tasks)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"chord({self.tasks!r}, {self.body!r})"


def _map(task: Any, it: Iterable[Any], name: str, options: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    sig = task if isinstance(task, Mapping) else Signature(task)
    return {"task": name, "kwargs": {"task": sig, "it": list(it), **more}, "options": options, "immutable": True}


class xmap(Signature[list[Any]]):
    """One call that runs the task once for each item: ``add.map(items)``."""

    _name = "celery.map"

    def __init__(self, task: Any, it: Iterable[Any], *, app: "Umbel | None" = None, **options: Any) -> None:
        super().__init__(**_map(task, it, self._name, options), app=app or getattr(task, "app", None))

    def __repr__(self) -> str:
        return f"{self.kwargs['task'].name}.map({self.kwargs['it']!r})"


class xstarmap(xmap):
    """One call that runs the task once for each list of arguments: ``add.starmap(pairs)``."""

    _name = "celery.starmap"

    def __repr__(self) -> str:
        return f"{self.kwargs['task'].name}.starmap({self.kwargs['it']!r})"


@Signature.register_type()
class chunks(Canvas[list[Any]]):
    """Lists of arguments, ``n`` to a call: ``add.chunks(pairs, 10)``. It is called as a group of ``starmap`` calls."""

    def __init__(self, task: Any, it: Iterable[Any], n: int, *, app: "Umbel | None" = None, **options: Any) -> None:
        if n < 1:
            raise ValueError(f"chunks have 1 item or more each, not {n}")
        super().__init__(
            **_map(task, it, "celery.chunks", options, n=n),
            app=app or getattr(task, "app", None),
        )

    def _members(self) -> "list[Signature[Any]]":
        return [maybe_signature(self["kwargs"]["task"], self.own_app)]

    def group(self) -> group:
        """The group that it is called as."""
        return cast("group", maybe_signature(dict(data.expanded(self)), self.own_app))

    def __repr__(self) -> str:
        return f"{self.kwargs['task'].name}.chunks({self.kwargs['it']!r}, {self.kwargs['n']})"


def _taken(tasks: Any, app: "Umbel | None") -> "list[Signature[Any]]":
    return [one.clone() for one in signatures_of(tasks, app)]


def _refuse_links(options: Mapping[str, Any]) -> None:
    for option in ("link", "link_error"):
        if options.get(option):
            raise TypeError(
                f"a group has no {option}: use a chord, whose body gets all results, or group.{option}(sig)"
            )
