"""Becoming another user, for a program that was started by root. POSIX only; knows no worker."""

import os
import sys

if sys.platform != "win32":
    try:
        import grp
        import pwd
    except ImportError:  # a platform without users
        pass


class CannotBecome(Exception):
    """The user or group is not known, or this process may not become it."""


def become(user: str | None, group: str | None) -> None:
    """Become this user and group (names or numbers), for good. Without a group, the user's own, with all it belongs to.

    Raises ``CannotBecome``.
    """
    if user is None and group is None:
        return
    if "pwd" not in globals() or "grp" not in globals():
        raise CannotBecome("this platform has no users to become: leave --uid and --gid out")
    uid, gid, name = ids(user, group)
    if (uid, gid) == (os.getuid(), os.getgid()):
        return
    try:
        if os.getuid() == 0:
            if name is not None:
                os.initgroups(name, gid)
            else:
                os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    except PermissionError:
        raise CannotBecome(f"only root may become user {uid} and group {gid}; this is user {os.getuid()}") from None


def ids(user: str | None, group: str | None) -> tuple[int, int, str | None]:
    """The numbers to become, and the user's name if it has one. Raises ``CannotBecome``."""
    uid, gid, name = os.getuid(), os.getgid(), None
    if user is not None:
        try:
            entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
        except KeyError:
            if not user.isdecimal():
                raise CannotBecome(f"there is no user {user!r}") from None
            uid = int(user)
        else:
            uid, gid, name = entry.pw_uid, entry.pw_gid, entry.pw_name
    if group is not None:
        try:
            gid = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
        except KeyError:
            raise CannotBecome(f"there is no group {group!r}") from None
    return uid, gid, name
