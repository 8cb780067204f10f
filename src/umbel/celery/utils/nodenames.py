"""Celery's ``utils.nodenames``: ``name@host``, made and taken apart."""

import os
import socket
from typing import Any

from umbel.core.queues import Exchange, Queue

WORKER_DIRECT_EXCHANGE = Exchange("C.dq2")
WORKER_DIRECT_QUEUE_FORMAT = "{hostname}.dq2"
NODENAME_DEFAULT = "celery"
NODENAME_SEP = "@"


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


def default_nodename(hostname: str | None, default_name: str = NODENAME_DEFAULT) -> str:
    """``celery@<this host>``, or what ``hostname`` says of its two parts."""
    name, host = nodesplit(hostname or "")
    return nodename(name or default_name, host or gethostname())


def anon_nodename(hostname: str | None = None, prefix: str = "gen") -> str:
    """A name for this process, which is no worker."""
    return nodename(f"{prefix}{os.getpid()}", hostname or gethostname())


def worker_direct(hostname: str | Queue) -> Queue:
    """The queue that only the worker of this name reads."""
    if isinstance(hostname, Queue):
        return hostname
    return Queue(WORKER_DIRECT_QUEUE_FORMAT.format(hostname=hostname), WORKER_DIRECT_EXCHANGE, hostname)


def host_format(s: str, host: str | None = None, name: str | None = None, **extra: Any) -> str:
    """The text with ``%h`` (the host), ``%n`` (the name), ``%d`` (the domain) and ``extra`` filled in."""
    from umbel.celery.utils.text import simple_format

    host = host or gethostname()
    own, _, domain = host.partition(".")
    known = {"h": host, "n": name or own, "d": domain, "i": "%i", "I": "%I", "p": nodename(name or own, host)}
    return str(simple_format(s, {**known, **extra}))


def node_format(s: str, name: str | None, **extra: Any) -> str:
    """``host_format`` with the parts of a node's name."""
    own, host = nodesplit(name or default_nodename(None))
    return host_format(s, host, own or NODENAME_DEFAULT, p=name, **extra)
