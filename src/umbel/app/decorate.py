"""From a function to a task: ``@app.task`` and ``@shared_task``. Names it, wraps it, registers it."""

import inspect
import warnings
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, overload

from umbel.app import ambient, naming
from umbel.app.conversion import OPTIONS as OF_FUNCTIONS
from umbel.app.conversion import conversion_of
from umbel.app.task import CoroutineTask, Task
from umbel.core.errors import DuplicateTaskNameWarning, ImproperlyConfigured

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.core.schedule import crontab

P = ParamSpec("P")
R = TypeVar("R")

NOT_BUILT = ("filter",)
OF_CALLS = ("link", "link_error")
OWN = ("run", "app", "delay", "apply_async", "plan")


class Unbound(Protocol):
    """What ``@app.task(...)`` returns: makes a task of a function."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> CoroutineTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> Task[P, R]: ...


class Bind(Protocol):
    """What ``@app.task(bind=True, ...)`` returns: the function's first parameter is the task."""

    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> CoroutineTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], R]) -> Task[P, R]: ...


def task_of(
    app: "Umbel",
    function: Callable[..., Any],
    *,
    name: str | None = None,
    base: type[Task[..., Any]] | None = None,
    bind: bool = False,
    module: str | None = None,
    every: float | timedelta | None = None,
    cron: "str | crontab | None" = None,
    **attributes: Any,
) -> Task[..., Any]:
    """Make a task of ``function`` and register it with ``app``. ``every`` or ``cron`` is when beat calls it."""
    if not callable(function):
        raise TypeError(f"@app.task makes a task of a function, not of {function!r}; options go by name")
    name = name or app.gen_task_name(function.__name__, module or function.__module__)
    conversion = conversion_of(app, name, function, attributes, bind=bind)
    check_attributes(name, attributes)
    body = function if conversion is None else conversion.wrap(function)
    fields = {
        "name": name,
        "run": body if bind else staticmethod(body),
        "conversion": conversion,
        "typing": app.strict_typing,
        "abstract": False,
        "__doc__": function.__doc__,
        "__annotations__": getattr(function, "__annotations__", {}),
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__wrapped__": property(lambda task: task.run),
        **attributes,  # where an attribute falls back to a setting, None leaves it to that
    }
    task: Task[..., Any] = type(function.__name__, (base or app.Task,), fields)()
    object.__setattr__(task, "__name__", function.__name__)  # functions have both
    object.__setattr__(task, "__qualname__", function.__qualname__)
    registered: Task[..., Any] = app.registered(task)
    if every is not None or cron is not None:
        app.schedules.declare(name, every=every, cron=cron)
    return registered


def check_attributes(name: str, attributes: dict[str, Any]) -> None:
    """Refuse options that this release ignores, and values that cannot be meant."""
    for option in NOT_BUILT:
        if attributes.get(option):
            raise ImproperlyConfigured(f"task {name}: option {option!r} is not built yet; leave it out")
    for option in OF_CALLS:
        if attributes.get(option):
            raise ImproperlyConfigured(
                f"task {name}: {option!r} is an option of calls (Celery ignores it on a task): "
                f"apply_async({option}=...), or a signature's .{option}(...)"
            )
    for option in OF_FUNCTIONS:
        if attributes.get(option):
            raise ImproperlyConfigured(f"task {name}: {option!r} is an option of @app.task, for functions")
    for option in OWN:
        if option in attributes:
            raise TypeError(f"task {name}: {option!r} is no option of a task")
    hard, soft = attributes.get("time_limit"), attributes.get("soft_time_limit")
    if hard and soft and soft > hard:
        raise ImproperlyConfigured(f"task {name}: soft_time_limit {soft} is more than time_limit {hard}")


def warn_of_duplicate(known: Task[..., Any], task: Task[..., Any]) -> None:
    """Two functions under one name: say so, unless it is one function whose module was imported twice."""
    if _place(known) == _place(task):
        return
    warnings.warn(
        f"two tasks are named {task.name!r}: {_place(known)} is kept, {_place(task)} is left out; give it a name=",
        DuplicateTaskNameWarning,
        stacklevel=5,
    )


def _place(task: Task[..., Any]) -> str:
    code = getattr(inspect.unwrap(task.run), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else repr(type(task))


@overload
def shared_task(*, bind: Literal[True], **options: Any) -> Bind: ...
@overload
def shared_task(*, bind: Literal[False] = False, **options: Any) -> Unbound: ...
@overload
def shared_task(function: Callable[P, Coroutine[Any, Any, R]], /) -> CoroutineTask[P, R]: ...
@overload
def shared_task(function: Callable[P, R], /) -> Task[P, R]: ...
def shared_task(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """``@app.task`` for libraries: the task joins every app, and the name stands for the current app's one."""
    if function is None:
        return lambda function: _shared(function, dict(options))
    return _shared(function, {})


def _shared(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    options.pop("lazy", None)
    name = options.pop("name", None)
    if name is None:
        module = naming.importable(function.__module__, getattr(function, "__globals__", None))
        name = f"{module or function.__module__}.{function.__name__}"

    def make(app: "Umbel") -> None:
        if name not in app.all_tasks:
            task_of(app, function, name=name, **options)

    ambient.share(make, local="<locals>" in function.__qualname__)
    return ambient.Proxy(lambda: ambient.get_current_app().tasks[name], f"<@task: {name} of the current app>")
