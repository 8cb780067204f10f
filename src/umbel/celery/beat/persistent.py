"""Celery's scheduler that keeps in a file when entries ran. For subclasses: Umbel's own beat keeps it in the broker."""

import shelve
from pathlib import Path
from typing import Any

from umbel.celery.beat.schedulers import Scheduler, logger
from umbel.celery.version import VERSION_TEXT


class PersistentScheduler(Scheduler):
    """A scheduler over the file ``schedule_filename``. One that cannot be read is begun anew."""

    persistence: Any = shelve
    known_suffixes = ("", ".db", ".dat", ".bak", ".dir")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.schedule_filename = kwargs.get("schedule_filename")
        self._store: Any = None
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Open the file, and have in it what the settings say."""
        try:
            self._store = self._opened()
        except Exception as error:  # noqa: BLE001  whatever shelve and pickle raise at a broken file
            logger.error("Removing corrupted schedule file %r: %r", self.schedule_filename, error)
            self._remove_db()
            self._store = self._opened()
        made_of = {"tz": str(self.app.timezone), "utc_enabled": self.app.conf.enable_utc}
        if any(self._store.get(key) not in (None, value) for key, value in made_of.items()):
            logger.warning("Reset: the timezone was changed")
            self._store["entries"] = {}
        self._store.update({**made_of, "__version__": VERSION_TEXT})
        self.install_default_entries(self.schedule)
        self.merge_inplace(self.app.conf.beat_schedule)
        self.sync()

    def _opened(self) -> Any:
        store = self.persistence.open(self.schedule_filename, writeback=True)
        store.setdefault("entries", {})
        return store

    def _remove_db(self) -> None:
        for suffix in self.known_suffixes:
            Path(f"{self.schedule_filename}{suffix}").unlink(missing_ok=True)

    def get_schedule(self) -> Any:
        """The entries by name."""
        return self._store["entries"]

    def set_schedule(self, schedule: Any) -> None:
        """Take other entries."""
        self._store["entries"] = schedule

    def sync(self) -> None:
        """Write the file."""
        if self._store is not None:
            self._store.sync()

    def close(self) -> None:
        """Write the file and close it."""
        self.sync()
        if self._store is not None:
            self._store.close()
            self._store = None

    @property
    def info(self) -> str:
        """What the banner shows of it."""
        return f"    . db -> {self.schedule_filename}"


__all__ = ["PersistentScheduler"]
