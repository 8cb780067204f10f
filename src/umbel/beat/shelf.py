"""The file of Celery's beat, read for when each entry ran last. Runs nothing of it: a pickle here makes only dates."""

import dbm
import io
import logging
import pickle
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from umbel.core.schedule.base import aware
from umbel.core.timetable import Mark

logger = logging.getLogger("umbel.beat")

SUFFIXES = ("", ".db", ".dat", ".dir", ".bak")
"""What the kinds of dbm add to the name that a program gives."""


def is_celerys(path: Path) -> bool:
    """Whether Celery's beat keeps its file under this name."""
    try:
        kind = dbm.whichdb(str(path))
    except OSError:
        return False
    return bool(kind) and (kind != "dbm.sqlite3" or _has_one_table(path))


def _has_one_table(path: Path) -> bool:
    """Whether a SQLite file is a dbm, which has this table and no other: not Umbel's, nor some program's."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as link:
            return link.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("Dict",)]
    except sqlite3.Error:
        return False


def read(path: Path) -> dict[str, Mark]:
    """When each entry ran last, and how often. What cannot be read is said, and counts as nothing."""
    try:
        with closing(dbm.open(str(path), "r")) as shelf:
            entries = _Dates(io.BytesIO(shelf[b"entries"])).load()
        found = {str(name): mark for name, entry in entries.items() if (mark := _mark(entry)) is not None}
    except Exception as error:  # noqa: BLE001  a pickle can raise anything
        logger.warning("%s cannot be read as Celery's schedule file (%s): schedules begin anew", path, error)
        return {}
    return found


def put_aside(path: Path, suffix: str) -> Path:
    """Rename a file, and what belongs to it, and return the new name. One that another beat has renamed is left out."""
    number = 1
    while (aside := path.with_name(f"{path.name}.{suffix}{'' if number == 1 else f'-{number}'}")).exists():
        number += 1
    for end in (*SUFFIXES, "-wal", "-shm"):
        try:
            path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
        except FileNotFoundError:
            pass
    return aside


class _Stand(tzinfo):
    """Stands for whatever object a pickle asks for. Keeps what it was made of, and does nothing."""

    def __init__(self, *made_of: Any, **named: Any) -> None:
        self.made_of = made_of

    def __setstate__(self, state: Any) -> None:
        """Left out."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        """Unknown: a time in it counts as UTC."""
        return None


_KNOWN = {
    ("datetime", "datetime"): datetime,
    ("datetime", "timedelta"): timedelta,
    ("datetime", "timezone"): timezone,
    ("zoneinfo", "ZoneInfo"): ZoneInfo,
    ("zoneinfo", "ZoneInfo._unpickle"): lambda key, *_: ZoneInfo(key),
}


class _Dates(pickle.Unpickler):
    """Makes dates, and stands for all else."""

    def find_class(self, module: str, name: str) -> Any:
        """A date's class, or a stand-in."""
        if (module, name) == ("builtins", "getattr"):
            return lambda owner, wanted: _KNOWN.get(("zoneinfo", f"ZoneInfo.{wanted}"), _Stand)
        return _KNOWN.get((module, name), _Stand)


def _mark(entry: Any) -> Mark | None:
    """Celery makes an entry of: name, task, when it ran last, how often, schedule, …."""
    made_of: tuple[Any, ...] = getattr(entry, "made_of", ())
    if len(made_of) < 4 or not isinstance(made_of[2], datetime) or not isinstance(made_of[3], int):
        return None
    return Mark(aware(made_of[2]).timestamp(), made_of[3])
