"""Which nodes ``umbel multi`` means, and the command line of each. Starts and reads nothing. The grammar is Celery's:

a b c              three nodes; a number alone: celery1, celery2, ...
-c 3, --opt=value  for all of them
-c:NODES 3         for some, by name or by place in the list: a,c or 1-3
-- rest            to every command line as it is
"""

import os
import re
import shlex
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

import click
import msgspec

from umbel.worker.names import nodename

PIDFILE, LOGFILE = "/var/run/celery/%n.pid", "/var/log/celery/%n%I.log"
RANGE_PREFIX = "celery"
FLAGS = ("-B", "-C", "-D", "-E", "-q")
"""Short options that take no value."""
GLOBAL = ("-A", "--app", "-b", "--broker", "--result-backend", "--loader", "--config", "--workdir")
GLOBAL_FLAGS = ("-C", "--no-color", "-q", "--quiet")
PROGRAMS = ("celery", "umbel", "umbel.celery")

Options = dict[str, str | None]


class Words(msgspec.Struct):
    """What was typed, sorted."""

    names: list[str] = []
    options: Options = {}
    some: dict[str, Options] = {}
    """Options of some nodes, by what stands after the colon."""
    rest: list[str] = []

    def add(self, option: str, value: str | None) -> None:
        """Take an option in."""
        name, colon, where = option.partition(":")
        (self.some.setdefault(where, {}) if colon else self.options)[name] = value


class Node(msgspec.Struct):
    """One worker: its full name, the options of its command line, and the words before and after them."""

    name: str
    options: Options
    program: list[str]
    more: list[str] = []

    @property
    def executable(self) -> str:
        """The Python that is started."""
        return self.options.get("--executable") or sys.executable

    @property
    def pid_path(self) -> str:
        """Its pid file. The sign of the process's number is nothing there."""
        return self._path("--pidfile").replace("%I", "").replace("%i", "0")

    @property
    def folders(self) -> list[str]:
        """Where its files are."""
        paths = (self._path("--pidfile"), self._path("--logfile"))
        return list(dict.fromkeys(folder for path in paths if (folder := os.path.dirname(path))))  # noqa: PTH120  text

    def _path(self, option: str) -> str:
        return os.path.expanduser(self.options[option] or "")  # noqa: PTH111  a text with signs in it

    def expand(self, text: str) -> str:
        """``text`` with the node's name in it: %n its first part, %d its host, %h and %p both. %i and %I stay."""
        first, _, host = self.name.partition("@")
        signs = {"%n": first, "%N": first, "%d": host, "%h": self.name, "%p": self.name, "%%": "%"}
        return re.sub("%.", lambda match: signs.get(match.group(), match.group()), text)

    def arguments(self) -> list[str]:
        """Its command line, without the Python."""
        program = [self.expand(word) for word in self.program]
        at = next((place for place, word in enumerate(program) if word in PROGRAMS), None)
        if at is None:
            raise click.UsageError(f"--cmd={shlex.join(program)}: the word {PROGRAMS[0]} must be in it")
        common = [name for name in self.options if name in GLOBAL or name in GLOBAL_FLAGS]
        own = [name for name in self.options if name not in common]
        return [*program[: at + 1], *self._words(common), *program[at + 1 :], *self._words(own), *self.more]

    def _words(self, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            value = self.options[name]
            if value is None:
                yield name
            elif name.startswith("--"):
                yield f"{name}={value}"
            else:
                yield from (name, value)


def parse(words: Sequence[str]) -> Words:
    """Sort the words. A long option has its value after ``=``, a short one has the next word."""
    found, left = Words(), deque(word for word in words if word)
    while left:
        word = left.popleft()
        if word == "--":
            found.rest = ["--", *left]
            break
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            found.add(name, value if equals else None)
        elif word.startswith("-") and len(word) > 1:
            alone = word in FLAGS or len(word.partition(":")[0]) > 2
            takes = not alone and bool(left) and not left[0].startswith("-")
            found.add(word, left.popleft() if takes else None)
        else:
            found.names.append(word)
    return found


def nodes(words: Words, *, module: str) -> list[Node]:
    """The nodes. ``module`` is what ``python -m`` starts where ``--cmd`` does not say it."""
    options = dict(words.options)

    def taken(*names: str) -> str | None:
        return next((value for name in names if (value := options.pop(name, None)) is not None), None)

    command, append = taken("--cmd"), taken("--append")
    host, prefix = taken("--hostname", "-n") or "%h", taken("--prefix") or ""
    suffix, range_prefix = taken("--suffix") or host, taken("--range-prefix")
    suffix = "" if suffix in ('""', "''") else suffix
    names = words.names
    if len(names) == 1 and names[0].isdecimal():
        names, prefix = [str(number + 1) for number in range(int(names[0]))], range_prefix or RANGE_PREFIX
    full = {name: nodename(name if "@" in name else f"{prefix}{name}@{suffix}") for name in names}
    some = _of_each(words.some, names, full)
    program = shlex.split(command) if command else ["-m", module, "worker", "--detach"]
    found = []
    for name in names:
        node = Node(full[name], {**options, **some[name], "-n": full[name]}, program)
        node.options = _completed(node)
        node.more = [*words.rest, *(shlex.split(node.expand(append)) if append else [])]
        found.append(node)
    return found


def _completed(node: Node) -> Options:
    """The node's options with its name in them, and its files in their places."""
    options = {name: value if value is None else node.expand(value) for name, value in node.options.items()}
    for long, short, default in (("--pidfile", "-p", PIDFILE), ("--logfile", "-f", LOGFILE)):
        given = options.pop(short, None)
        options[long] = options.pop(long, None) or given or node.expand(default)
    return {**options, "--executable": options.pop("--executable", None) or sys.executable}


def _of_each(some: Mapping[str, Options], names: Sequence[str], full: Mapping[str, str]) -> dict[str, Options]:
    """The options of some nodes, by node."""
    each: dict[str, Options] = {name: {} for name in names}
    known = {short: name for name in names for short in (full[name].partition("@")[0], full[name], name)}
    for where, options in some.items():
        for part in where.split(","):
            for name in _meant(part, names, known):
                each[name].update(options)
    return each


def _meant(part: str, names: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """The nodes of one name, of one place in the list, or of the places from one to another."""
    if part in known:
        return [known[part]]
    first, dash, last = part.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        return []  # a node that is not among those of this call: as in Celery, it may be among those of another
    if not 1 <= int(first) <= len(names):
        raise click.UsageError(f"there is no node {first}: there {_are(len(names))}")
    return list(names[int(first) - 1 : int(last or first)])


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"
