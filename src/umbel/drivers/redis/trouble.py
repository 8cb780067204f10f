"""What can be wrong with a Redis server, in one sentence each: what, where, what to do. Looks at errors only."""

import os
import re
import ssl
from typing import Any

import hiredis

from umbel.core.errors import OperationalError

OLDEST = (6, 2)
TRACKS_SCRIPTS = (7, 0, 5)
"""The first version whose CLIENT TRACKING sees what scripts read, without fault."""

_ADVICE = {
    "NOAUTH": "{place} wants a password: put it into the URL (redis://user:password@host)",
    "WRONGPASS": "{place} refuses the user name or password of the URL",
    "NOPERM": "{place} does not allow this user what Umbel needs: {error}",
    "OOM": "{place} has reached its memory limit and takes nothing new: raise maxmemory, or let workers empty it",
    "LOADING": "{place} is still loading its data: it will answer when it has finished",
    "READONLY": "{place} is a read-only replica: the URL must lead to the master",
    "MASTERDOWN": "{place} is a replica that has lost its master",
    "MOVED": "{place} is not the node of its cluster that has these keys: put that one into the URL ({error})",
    "CLUSTERDOWN": "{place} belongs to a cluster that is down",
    "MISCONF": "{place} cannot write to its disk and takes nothing new: {error}",
    "WRONGTYPE": "{place} has a key of another type where a queue or one of Umbel's own keys belongs: {error}",
    "NOROUTE": "{place}: no queue is bound so ({error}): add it to task_queues, or start a worker that reads it",
    "BUSY": "{place} is busy with a script that does not end: {error}",
    "NOREPLICAS": "{place} has fewer replicas than it needs for a write: {error}",
}
_OF_ITSELF = frozenset({"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN"})


PLAIN = ". If it speaks TLS only, its URL begins with rediss://"
"""What is added where a server closes a connection before it has said anything."""


NO_TLS = "; does it speak TLS at all? If not, its URL begins with redis://, and no ssl option is set"


_reached: set[tuple[Any, ...]] = set()


def reached(place: Any) -> None:
    """This place has answered this process: whether it speaks TLS is not in question any more."""
    _reached.add((place.tls, place.server))


class BadOperation(OperationalError):
    """One operation is at fault (a wrong type, something too large) and not the server: another may succeed."""


class CutOff(OperationalError):
    """The connection ended after something had been sent: it is not known whether the server did it."""


def explained(error: object, place: Any) -> OperationalError:
    """An error reply as one sentence. ``WRONGTYPE``, ``NOROUTE`` and what breaks a script become ``BadOperation``."""
    text = str(error)
    code = text.partition(" ")[0].lstrip("-")
    if code in ("EXECABORT", "ERR"):  # a refusal inside a script or a transaction says the real one further on
        code = next((known for known in _ADVICE if f"{known} " in text), code)
    advice = _ADVICE.get(code)
    if advice is None:
        advice = "{place} refused a command: {error}"
        if "max number of clients" in text:
            advice = "{place} has as many clients as it allows (maxclients)"
        elif "invalid password" in text or ("AUTH" in text and "without any password" in text):
            advice = _ADVICE["WRONGPASS"]
        elif "DB index is out of range" in text or "invalid DB index" in text:
            advice = "{place} has no such database: {error}"
    sentence = f"Redis at {advice.format(place=place, error=text)}"
    of_one = code in ("WRONGTYPE", "NOROUTE") or code.startswith("user_script:")
    return BadOperation(sentence) if of_one else OperationalError(sentence)


def is_elsewhere(error: Exception) -> bool:
    """Whether this server will not do, now: a reason to connect anew, and to find the master again."""
    text = str(error)
    return any(text.startswith(code) or f"{code} " in text for code in _OF_ITSELF)


def unreachable(error: BaseException, place: Any) -> OperationalError:
    """A failed attempt to connect as one sentence."""
    if isinstance(error, CutOff):
        closed = isinstance(error.__cause__, ConnectionError) and place.hosts and not place.tls
        return OperationalError(f"{error}{PLAIN if closed and not _is_known(place) else ''}")
    if isinstance(error, TimeoutError):
        why = f"it did not answer in time{NO_TLS if place.tls and not _is_known(place) else ''}"
    elif isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
        why = f"it answered something else{NO_TLS}"
    elif isinstance(error, ssl.SSLError):  # its numbers are OpenSSL's, and no errors of the system
        why = error.strerror or str(error)
    elif isinstance(error, OSError) and (numbers := _numbers(error)):
        why = ", ".join(dict.fromkeys(map(os.strerror, numbers)))
    elif isinstance(error, OSError) and error.strerror:
        why = error.strerror
    else:
        why = str(error) or type(error).__name__
    return OperationalError(f"Redis at {place} cannot be reached: {why}")


def _is_known(place: Any) -> bool:
    return (place.tls, place.server) in _reached


def _numbers(error: OSError) -> list[int]:
    """The system's numbers of an error; asyncio has words of its own, and may make one error of several."""
    if error.errno is not None:
        return [error.errno] if error.errno > 0 else []
    return [int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))]


def too_old(version: tuple[int, ...], place: Any) -> OperationalError:
    """A server that lacks what the scripts need."""
    shown = ".".join(map(str, version))
    return OperationalError(f"Redis at {place} is version {shown}: Umbel needs {OLDEST[0]}.{OLDEST[1]} or later")


def is_error(reply: Any) -> bool:
    """Whether a reply is an error."""
    return isinstance(reply, hiredis.ReplyError)
