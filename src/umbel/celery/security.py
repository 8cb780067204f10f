"""Celery's ``security``: signed messages. Reads no file itself."""

from collections.abc import Iterable

from umbel.app.application import Umbel
from umbel.celery import offered
from umbel.celery.app.current import get_current_app


def setup_security(
    allowed_serializers: Iterable[str] | None = None,
    key: str | None = None,
    key_password: str | bytes | None = None,
    cert: str | None = None,
    store: str | None = None,
    digest: str | None = None,
    serializer: str = "json",
    app: Umbel | None = None,
) -> None:
    """``app.setup_security(...)`` of ``app``, or of the current app."""
    (app or get_current_app()).setup_security(allowed_serializers, key, key_password, cert, store, digest, serializer)


__all__ = ["setup_security"]


__getattr__ = offered.names_not_in(__name__)
