"""Which Celery the names are those of. Not Umbel's version."""

from typing import NamedTuple


class version_info_t(NamedTuple):
    """Celery's tuple of a version."""

    major: int
    minor: int
    micro: int
    releaselevel: str
    serial: str


VERSION = version_info = version_info_t(5, 7, 0, "", "")
VERSION_TEXT = "5.7.0"
