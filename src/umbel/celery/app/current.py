"""The app and task that are current, as Celery has them: where there is no app yet, a default one is made."""

from umbel.app import ambient
from umbel.app.application import Umbel
from umbel.celery.app.base import Celery
from umbel.core.errors import ImproperlyConfigured

current_task = ambient.current_task


def get_current_app() -> Umbel:
    """The current app; a new one named ``default`` where none was made. The next app made takes its place."""
    try:
        return ambient.get_current_app()
    except ImproperlyConfigured:
        return Celery("default")


def app_or_default(app: Umbel | None = None) -> Umbel:
    """``app``, or the current one."""
    return get_current_app() if app is None else app


current_app: Umbel = ambient.Proxy(get_current_app, "<celery.current_app>")  # type: ignore[assignment]  # stands for one
