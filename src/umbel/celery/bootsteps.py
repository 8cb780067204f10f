"""Celery's ``bootsteps``: parts of a worker, started and stopped with it. ``worker.stepping`` runs them.

``app.steps["worker"].add(Step)`` adds one of your own. Umbel's worker is not built of steps: what ``requires`` names of
Celery's own (``celery.worker.components:Timer``) is there before any step starts.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from umbel.celery import offered
from umbel.celery.utils.imports import qualname, symbol_by_name
from umbel.core.errors import ImproperlyConfigured

RUN, CLOSE, TERMINATE = 0x1, 0x2, 0x3


class _Named(type):
    """A class of steps: its ``name`` is ``module.Class`` unless it has one."""

    def __init__(cls, name: str, bases: tuple[type, ...], fields: dict[str, Any]) -> None:
        super().__init__(name, bases, fields)
        if not fields.get("name"):
            cls.name = f"{cls.__module__}.{cls.__qualname__}"

    def __repr__(cls) -> str:
        return f"step:{cls.name}"


class Step(metaclass=_Named):
    """A part of a worker. ``create`` is called before anything starts; ``include_if`` says whether it is wanted.

    ``requires`` are steps (or names of them) that come before it. The constructor gets the worker, and its options.
    """

    name: str | None = None
    label: str | None = None
    conditional = False
    requires: Iterable[Any] = ()
    last = False
    enabled = True

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        pass

    def include_if(self, parent: Any) -> Any:
        """Whether it is wanted."""
        return self.enabled

    def instantiate(self, name: Any, *args: Any, **kwargs: Any) -> Any:
        """An object of the class of this name."""
        return symbol_by_name(name)(*args, **kwargs)

    def include(self, parent: Any) -> bool:
        """``create`` it, if it is wanted."""
        if not self.include_if(parent):
            return False
        self.create(parent)
        return True

    def create(self, parent: Any) -> Any:
        """Make what it needs."""

    def info(self, obj: Any) -> Any:
        """What it shows of itself."""

    @property
    def alias(self) -> str:
        """A short name."""
        return self.label or (self.name or "").rpartition(".")[2]

    def __repr__(self) -> str:
        return f"<step: {self.alias}>"


class StartStopStep(Step):
    """A part that is started and stopped. What ``create`` returns, if anything, is started and stopped in its stead."""

    obj: Any = None

    def start(self, parent: Any) -> Any:
        """The worker starts."""
        return None if self.obj is None else self.obj.start()

    def stop(self, parent: Any) -> Any:
        """The worker has stopped."""
        return None if self.obj is None else self.obj.stop()

    def close(self, parent: Any) -> Any:
        """The worker has stopped; ``stop`` comes next."""

    def terminate(self, parent: Any) -> Any:
        """As ``stop``, where the worker failed."""
        return self.obj.terminate() if hasattr(self.obj, "terminate") else self.stop(parent)

    def include(self, parent: Any) -> bool:
        """``create`` it, if it is wanted, and keep what that returns."""
        if not self.include_if(parent):
            return False
        self.obj = self.create(parent)
        return True


class ConsumerStep(StartStopStep):
    """A part that takes messages of its own: ``get_consumers(channel)`` returns ``kombu.Consumer`` objects.

    Their callbacks run on a thread of the worker's first process, one message after the other.
    """

    requires = ("celery.worker.consumer:Connection",)
    consumers: Any = None

    def get_consumers(self, channel: Any) -> Iterable[Any]:
        """What takes messages."""
        raise NotImplementedError("a ConsumerStep defines get_consumers()")

    def start(self, parent: Any) -> None:
        """Begin to take them."""
        from umbel.celery.worker.consuming import Consuming

        self.consumers = Consuming(parent.app, self.get_consumers, self.alias)
        self.consumers.start()

    def stop(self, parent: Any) -> None:
        """Take no more, and hand back what is in hand."""
        if self.consumers is not None:
            self.consumers.stop()
            self.consumers = None

    shutdown = stop


class Blueprint:
    """Steps in the order in which they are started: what one requires comes before it."""

    default_steps: Iterable[Any] = ()
    name: str | None = None

    def __init__(self, steps: Iterable[Any] | None = None, name: str | None = None, **told: Any) -> None:
        self.name = name or self.name or qualname(type(self))
        self.types = {symbol_by_name(step) for step in [*(steps or ()), *self.default_steps]}
        self._told = told
        self.steps: dict[str, Step] = {}
        self.order: list[Step] = []
        self.started: list[Step] = []
        self.state: int | None = None

    def apply(self, parent: Any, **options: Any) -> "Blueprint":
        """Make the steps that are wanted, in their order."""
        for kind in _in_order(self.types):
            step = kind(parent, **options)
            if step.include(parent):
                self.steps[step.name] = step
                self.order.append(step)
        return self

    def start(self, parent: Any) -> None:
        """Start them."""
        self._tell("on_start")
        self.state = RUN
        for step in self.order:
            if isinstance(step, StartStopStep):
                self.started.append(step)
                step.start(parent)

    def send_all(self, parent: Any, method: str, **more: Any) -> None:
        """Call ``method`` of those that were started, the last first. What one raises keeps none from it."""
        errors: list[Exception] = []
        for step in reversed(self.started):
            try:
                getattr(step, method)(parent)
            except Exception as error:  # noqa: BLE001  user code; the first is raised when all were told
                errors.append(error)
        if errors:
            raise errors[0]

    def close(self, parent: Any) -> None:
        """Tell them that it is over."""
        self._tell("on_close")
        self.state = CLOSE
        self.send_all(parent, "close")

    def stop(self, parent: Any, close: bool = True, terminate: bool = False) -> None:
        """Stop them, the last first."""
        if self.state in (None, TERMINATE):
            return
        try:
            if close:
                self.close(parent)
        finally:
            self.state = TERMINATE
            self.send_all(parent, "terminate" if terminate else "stop")
            self._tell("on_stopped")

    def info(self, parent: Any) -> dict[str, Any]:
        """What they show of themselves."""
        return {name: value for step in self.order for name, value in (step.info(parent) or {}).items()}

    def human_state(self) -> str:
        """What it does now."""
        return {None: "initializing", RUN: "running", CLOSE: "closing", TERMINATE: "terminating"}[self.state]

    def __getitem__(self, name: str) -> Step:
        return self.steps[name]

    def _tell(self, event: str) -> None:
        if self._told.get(event):
            self._told[event]()


def _in_order(kinds: set[Any]) -> Iterator[Any]:
    """What a step requires before it; those that are ``last`` at the end. Raises ``ImproperlyConfigured``."""
    by_name = {kind.name: kind for kind in kinds}
    done: list[Any] = []
    going: list[Any] = []

    def visit(kind: Any) -> None:
        if kind in done:
            return
        if kind in going:
            circle = " -> ".join(one.name for one in [*going[going.index(kind) :], kind])
            raise ImproperlyConfigured(f"bootsteps require each other in a circle: {circle}")
        going.append(kind)
        for required in kind.requires:
            name = required.replace(":", ".") if isinstance(required, str) else required.name
            if name in by_name:
                visit(by_name[name])
            elif not name.startswith(("celery.", "umbel.celery.")):
                visit(symbol_by_name(required))
        going.pop()
        done.append(kind)

    for kind in sorted(kinds, key=lambda kind: (bool(kind.last), kind.name)):
        visit(kind)
    yield from done


__all__ = ["Blueprint", "ConsumerStep", "StartStopStep", "Step"]

__getattr__ = offered.names_not_in(__name__)
