"""Celery's ``app.utils``: an app by its name, and what to say of an installation."""

import platform
from typing import Any

from umbel.app.application import Umbel
from umbel.app.config import Config as Settings
from umbel.celery import offered
from umbel.celery.kombu.utils.url import sanitize_url
from umbel.celery.version import VERSION_TEXT


def appstr(app: Umbel) -> str:
    """An app as a line of text."""
    return f"{app.main or '__main__'} at {id(app):#x}"


def bugreport(app: Any) -> str:
    """Versions and settings, without secrets."""
    import umbel

    conf = app.conf
    lines = [
        f"software -> celery:{VERSION_TEXT} (umbel {umbel.__version__}) py:{platform.python_version()}",
        f"platform -> system:{platform.system()} imp:{platform.python_implementation()}",
        f"settings -> broker:{sanitize_url(app.connections.broker_url) if conf.broker_url else 'none'} "
        f"results:{sanitize_url(conf.result_backend) if '://' in (conf.result_backend or '') else conf.result_backend}",
        "",
        conf.humanize(with_defaults=False),
    ]
    return "\n".join(lines)


__all__ = ["Settings", "appstr", "bugreport", "sanitize_url"]

__getattr__ = offered.names_not_in(__name__)
