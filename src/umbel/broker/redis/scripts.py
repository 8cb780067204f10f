"""The Lua scripts as the server gets them: each is the common part and its own file. Runs nothing."""

import hashlib
from importlib.resources import files
from typing import NamedTuple

from umbel.drivers.redis import JOINING, SUCCESS

_SHEBANG = "#!lua flags=allow-oom\n"
"""Draining has to work on a full server too."""
_FIRST_WRITE = "redis.call('DEL', KEYS[1] .. 'none')\n"
"""Servers before 7.0 know no flags. They let a script go on that has written, and deleting is always allowed."""
_ROUTING = frozenset({"send", "settle", "tick"})
"""Scripts that find the queues of an exchange."""
_STRICT = frozenset({"cast", "delay", "put_entries", "revive", "send", "tick"})
"""Scripts that only add: a full server refuses them, as it refuses LPUSH."""
_WITH_SHEBANG = (7, 0)


_FIRSTS = {(True, False): _SHEBANG, (True, True): "#!lua\n", (False, False): _FIRST_WRITE, (False, True): ""}
"""How a script begins: by whether the server knows flags, and whether it is a strict one."""


class Script(NamedTuple):
    """One script, and what the server calls it."""

    name: str
    text: str
    sha: str


def _load(*, flags: bool) -> dict[str, Script]:
    folder = files(__package__) / "lua"
    common, routing = (folder / "common.lua").read_text(), (folder / "routing.lua").read_text()
    found = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        name = file.name.removesuffix(".lua")
        if name == file.name or name in ("common", "routing"):
            continue
        first = _FIRSTS[flags, name in _STRICT]
        shared = JOINING + SUCCESS if name == "settle" else ""
        text = first + common + (routing if name in _ROUTING else "") + shared + file.read_text()
        found[name] = Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
    return found


_FLAGGED, _PLAIN = _load(flags=True), _load(flags=False)


def scripts_for(version: tuple[int, ...]) -> dict[str, Script]:
    """The scripts by name, in the form that a server of this version takes."""
    return _FLAGGED if version >= _WITH_SHEBANG else _PLAIN
