"""Celery's ``utils.nodenames``: ``name@host``, made and taken apart."""

import socket

from umbel.celery import offered


def gethostname() -> str:
    """This machine's name."""
    return socket.gethostname()


def nodename(name: str, hostname: str) -> str:
    """``name@hostname``."""
    return f"{name}@{hostname}"


def nodesplit(name: str) -> tuple[str | None, str]:
    """The two parts of ``name@host``; ``(None, host)`` for a host alone."""
    first, at, host = name.partition("@")
    return (first, host) if at else (None, first)


def default_nodename(hostname: str | None) -> str:
    """``celery@<this host>``, or what ``hostname`` says of its two parts."""
    name, host = nodesplit(hostname or "")
    return nodename(name or "celery", host or gethostname())


__getattr__ = offered.names_not_in(__name__)
