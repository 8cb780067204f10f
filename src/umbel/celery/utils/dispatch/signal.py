"""Celery's ``utils.dispatch.signal``. ``Signal`` is Umbel's own, made as Celery makes it."""

from collections.abc import Callable, Iterable
from typing import Any

from umbel.app import signals

NONE_ID = id(None)


class Signal(signals.Signal):
    """An event that others may listen to, of your own: ``Signal(name="orders_paid")``."""

    def __init__(
        self, providing_args: Iterable[str] | None = None, use_caching: bool = False, name: str | None = None
    ) -> None:
        self.providing_args = set(providing_args or ())
        self.use_caching = use_caching
        super().__init__(name or "signal")

    def send_robust(self, sender: object, **named: Any) -> list[tuple[Callable[..., Any], object]]:
        """``send``, which goes on where a receiver raises."""
        return self.send(sender, **named)


__all__ = ["Signal"]
