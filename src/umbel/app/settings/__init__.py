"""Every setting: its name, kind, two defaults, unit and meaning, in one table. Holds no values and reads no sources."""

from collections.abc import Mapping
from typing import Any

from umbel.app.settings.beat import Beat
from umbel.app.settings.broker import Broker
from umbel.app.settings.elsewhere import Elsewhere
from umbel.app.settings.general import General
from umbel.app.settings.old import new_names
from umbel.app.settings.results import Redis, Results
from umbel.app.settings.setting import Defaults, Setting, Values, sounds_secret
from umbel.app.settings.tasks import Tasks
from umbel.app.settings.worker import Worker

__all__ = ["OLD", "Defaults", "Setting", "Settings", "Values", "sounds_secret", "table"]


class Settings(General, Tasks, Broker, Results, Redis, Worker, Beat, Elsewhere):
    """The table. ``app.conf`` is one of these, with values."""


OLD = new_names(Settings.TABLE)
"""What the old upper-case names are called now."""


def table(defaults: Defaults) -> Mapping[str, Any]:
    """Every setting's default."""
    return {name: setting.default(defaults) for name, setting in Settings.TABLE.items()}
