"""What can be wrong with a database file, in one sentence each: what, where, what to do. Looks, and changes nothing."""

import os
import sqlite3
import warnings
from pathlib import Path

from umbel.core.errors import ImproperlyConfigured, OperationalError, UmbelWarning

APPLICATION_ID = 0x554D424C
"""``UMBL``: marks a database file as Umbel's."""

_OLDEST = (3, 33, 0)  # UPDATE … FROM

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "davfs"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.davfs2", "fuse.juicefs"}
)

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_BAD = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH})
_ADVICE = {
    sqlite3.SQLITE_BUSY: "{path} stayed locked by another process for too long: look for one that is frozen or stuck",
    sqlite3.SQLITE_FULL: "no room to write {path}: free some space on its disk; what was stored before is intact",
    sqlite3.SQLITE_IOERR: "reading or writing {path} failed ({exc}): check its disk, and the limits of this process",
    sqlite3.SQLITE_CORRUPT: "{path} is damaged ({exc}): stop what uses it, and restore a copy or use another file",
    sqlite3.SQLITE_NOTADB: "{path} is not a SQLite database: use another file",
    sqlite3.SQLITE_READONLY: "{path} is read-only: this user must be allowed to write the file and its folder",
    sqlite3.SQLITE_PERM: "{path} is read-only: this user must be allowed to write the file and its folder",
}


class BadOperation(OperationalError):
    """One operation is at fault (a wrong type, something too large) and not the database: another may succeed."""


def parse_url(url: str) -> tuple[str, dict[str, str]]:
    """Path and options of ``sqlite:///relative.db`` or ``sqlite:////absolute.db?option=value`` (as SQLAlchemy)."""
    _, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    path, _, query = path.partition("?")
    if host or not slash or not path or path == ":memory:":
        raise ImproperlyConfigured(
            f"{url!r} names no file: write sqlite:///relative.db or sqlite:////absolute/path.db; "
            "for a broker inside one process there is memory://"
        )
    return path, dict(pair.partition("=")[::2] for pair in query.split("&") if pair)


def is_busy(exc: Exception) -> bool:
    """Whether somebody else has the lock, and trying again may help."""
    return _code(exc) in _BUSY


def is_full(exc: Exception) -> bool:
    """Whether there is no room to write."""
    return _code(exc) == sqlite3.SQLITE_FULL


def explained(exc: Exception, path: Path) -> OperationalError:
    """The same trouble in a sentence. A ``BadOperation`` if only the operation is at fault."""
    code = _code(exc)
    if code in _BAD or (code is None and not isinstance(exc, sqlite3.OperationalError)):
        return BadOperation(f"{path} refuses this: {exc}")
    if code == sqlite3.SQLITE_CANTOPEN:
        return OperationalError(_why_not_opened(path))
    advice = _ADVICE.get(sqlite3.SQLITE_BUSY if code in _BUSY else code or 0, "{path} cannot be used: {exc}")
    return OperationalError(advice.format(path=path, exc=exc))


def is_damaged(path: Path) -> bool:
    """Whether a file that should be a database is none, or has broken pages."""
    connection = sqlite3.connect(path, timeout=10)
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.DatabaseError as error:
        return _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    finally:
        connection.close()


def check_owner(connection: sqlite3.Connection, path: Path) -> None:
    """Raise ``OperationalError`` if another program made the file, or if this SQLite is too old for Umbel."""
    if sqlite3.sqlite_version_info < _OLDEST:
        needed = ".".join(map(str, _OLDEST))
        raise OperationalError(f"Umbel needs SQLite {needed}, this Python has {sqlite3.sqlite_version}: update it")
    if (mark := _mark(connection)) == APPLICATION_ID:
        return
    has_tables = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None
    if has_tables and (mark := _mark(connection)) == APPLICATION_ID:
        return  # another process has made it ours between the two looks
    if mark or has_tables:
        raise OperationalError(f"{path} is the database of another program: use a file of its own for Umbel")


def _mark(connection: sqlite3.Connection) -> int:
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    return int(mark)


def _code(exc: Exception) -> int | None:
    code = getattr(exc, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _why_not_opened(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"cannot open {path}: there is no folder {folder}; create it, or use another path"
    if path.is_dir():
        return f"cannot open {path}: it is a folder; give the path of a file"
    if not os.access(folder, os.W_OK):
        return f"cannot open {path}: this user may not write in {folder}; allow it, or use another path"
    return f"cannot open {path}: check the permissions of the file and its folder, and the limit of open files"


# Network file systems -------------------------------------------------------------------------------------------------


def network_type(path: Path, mounts: str) -> str | None:
    """The file system's type if ``path`` lies on another machine. ``mounts`` is the text of ``/proc/mounts``."""
    longest, kind = Path(), ""
    for line in mounts.splitlines():
        _, point, found, *_ = line.split(" ")
        mounted = Path(point.replace("\\040", " "))
        if path.is_relative_to(mounted) and len(mounted.parts) >= len(longest.parts):
            longest, kind = mounted, found
    return kind if kind in _NETWORK else None


def warn_of_network(path: Path) -> None:
    """Say once per process that locks do not hold there."""
    try:
        kind = network_type(path, Path("/proc/mounts").read_text("utf-8", "replace"))
    except (OSError, ValueError):
        return  # no such list on this system
    if kind and path not in _warned:
        _warned.add(path)
        warnings.warn(
            f"{path} is on a network file system ({kind}), where SQLite's locks do not hold: messages may be lost or "
            "run twice. Use a local disk, or a broker with a server",
            UmbelWarning,
            stacklevel=2,
        )


_warned: set[Path] = set()
