"""Names of workers and of their files, with Celery's signs in them. Opens nothing."""

import re
import socket


def nodename(given: str | None) -> str:
    """Celery's ``celery@%h``: %h full host name, %n its first part, %d the rest."""
    host = socket.gethostname()
    name, _, domain = host.partition(".")
    text = _replaced(given or "celery@%h", {"%h": host, "%n": name, "%d": domain})
    return text if "@" in text else f"{text}@{host}"


def expanded(path: str, node: str, index: int = 0) -> str:
    """The path of a log or pid file: %p the node name, %n and %h its parts, %d the host's domain, %i the number of the
    process (0 for the supervisor), %I the same with a dash before it (nothing for the supervisor).
    """
    name, _, host = node.partition("@")
    signs = {
        "%p": node,
        "%n": name,
        "%h": host,
        "%d": host.partition(".")[2],
        "%i": str(index),
        "%I": f"-{index}" if index else "",
    }
    return _replaced(path, signs)


def _replaced(text: str, signs: dict[str, str]) -> str:
    return re.sub("%.", lambda match: {**signs, "%%": "%"}.get(match.group(), match.group()), text)
