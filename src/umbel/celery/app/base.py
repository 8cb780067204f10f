"""``Celery``: an Umbel application that starts from Celery's defaults. Adds no behaviour of its own."""

from typing import Any

from umbel.app.application import Umbel


class Celery(Umbel):
    """An application with Celery's defaults: ``Celery("proj", broker="redis://...", backend="redis://...")``.

    Takes what ``Umbel`` takes; ``defaults="umbel"`` goes over to Umbel's. Raises ``ImproperlyConfigured`` for a
    keyword that Umbel has not.
    """

    def __init__(self, main: str | None = None, **options: Any) -> None:
        options.setdefault("defaults", "celery")
        super().__init__(main, **options)
