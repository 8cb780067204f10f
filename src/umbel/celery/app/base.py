"""``Celery``: an Umbel application that starts from Celery's defaults, with what Celery's application has besides."""

import os
from typing import Any, ClassVar

from umbel.app.application import Umbel
from umbel.celery import offered
from umbel.celery.app.members import Members


class Celery(Members, Umbel):
    """An application with Celery's defaults: ``Celery("proj", broker="redis://...", backend="redis://...")``.

    Takes what ``Umbel`` takes; ``defaults="umbel"`` goes over to Umbel's. Raises ``ImproperlyConfigured`` for a
    keyword that Umbel has not. ``CELERY_CONFIG_MODULE`` names its settings where nothing else does.
    """

    CONFIG: ClassVar[str] = "CELERY_CONFIG_MODULE"

    def __init__(self, main: str | None = None, **options: Any) -> None:
        options.setdefault("defaults", "celery")
        super().__init__(main, **options)
        if options.get("config_source") is None and (module := os.environ.get(self.CONFIG)):
            self.config_from_object(module, namespace=options.get("namespace"))

    def _configure(self, before: bool) -> None:
        if before and (hook := getattr(type(self), "on_configure", None)) is not None:
            hook(self)  # a subclass has a method where the app has its signal, as in Celery 3
        super()._configure(before)


class PendingConfiguration(dict[str, Any]):
    """Celery's class of settings that nobody has read yet. Umbel's ``app.conf`` has one class; this is for checks."""


__all__ = ["Celery"]

__getattr__ = offered.names_not_in(__name__)
