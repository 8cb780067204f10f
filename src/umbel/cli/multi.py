"""``umbel multi``: many workers in the background, by their pid files. Knows workers only by their command line."""

import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from umbel.cli.nodes import Node, Words, nodes, parse
from umbel.cli.screen import refuse
from umbel.cli.session import session
from umbel.runtime import system
from umbel.runtime.children import signal_name
from umbel.runtime.clock import SYSTEM
from umbel.runtime.pidfile import lives, number_in
from umbel.runtime.privileges import CannotBecome, ids

AGAIN = 0.1
"""Seconds between two looks at whether a worker has ended."""
USAGE = """\
Usage: {program} multi VERB NODES [OPTIONS]

{program} multi start NODES [OPTIONS OF umbel worker]     start them, each in the background
{program} multi stop NODES [-SIGNAL]                      have them end (default: -TERM), and do not wait
{program} multi stopwait NODES [-SIGNAL]                  have them end, and wait until they have
{program} multi restart NODES [-SIGNAL] [OPTIONS]         stopwait, and start; those that are down are started
{program} multi kill NODES                                end them at once
{program} multi show NODES [OPTIONS]                      the command line of each
{program} multi get NODE NODES [OPTIONS]                  the arguments of one
{program} multi names NODES                               their full names
{program} multi expand TEXT NODES                         TEXT with each one's name in it (%n, %h, %d)

NODES are names, or a number: 3 is celery1 celery2 celery3 (--range-prefix gives another name than celery).
An option is for all of them, or for some: -c:1 10, -c:1-3 10, -Q:image,video media. A long option has its value after
an equals sign. To stop a node, say the same --pidfile as when it was started; the default is /var/run/celery/%n.pid,
and /var/log/celery/%n%I.log for --logfile.

Also --nosplash, -q --quiet, --verbose, --no-color, --suffix, --prefix, --cmd, --append, --executable."""


class Multi(click.Command):
    """A command whose words are its own business: the grammar is not that of other commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take them all as they are."""
        ctx.args = list(args)
        return []


@click.command("multi", cls=Multi, add_help_option=False)
@click.pass_context
def command(context: click.Context) -> int:
    """Start, stop and restart many workers in the background."""
    session().enter()
    words = context.args
    told = Told(words)
    if not words or words[0] in ("help", "-h", "--help"):
        click.echo(USAGE.format(program=session().face.program))
        return 0 if words else 1
    verb = VERBS.get(words[0])
    if verb is None:
        raise click.UsageError(f"there is nothing that multi does called {words[0]!r}; there is {', '.join(VERBS)}")
    return verb(words[1:], told)


class Told:
    """What it says, and how much of it. Takes its own options out of the words."""

    def __init__(self, words: list[str]) -> None:
        here = words[: words.index("--")] if "--" in words else words
        said = {option for option in ("--nosplash", "--quiet", "-q", "--verbose", "--no-color") if option in here}
        words[:] = [word for word in here if word not in said] + words[len(here) :]
        self.quiet = bool(said & {"--quiet", "-q"}) or session().quiet
        self.verbose = "--verbose" in said
        self._splash = "--nosplash" not in said and not self.quiet
        self._plain = session().is_plain or "--no-color" in said

    def splash(self) -> None:
        """The first line."""
        if self._splash:
            program = session().face.program
            self.note(f"{program} multi v{click.get_current_context().find_root().command.version}")  # type: ignore[attr-defined]

    def note(self, text: str, *, end: bool = True) -> None:
        """Say something, unless quiet."""
        if not self.quiet:
            click.echo(text, nl=end)

    def outcome(self, status: int) -> None:
        """The end of a line that began with ``note``."""
        word, colour = ("FAILED", "red") if status else ("OK", "green")
        self.note(word if self._plain else click.style(word, fg=colour))


# Verbs ----------------------------------------------------------------------------------------------------------------


def start(words: list[str], told: Told) -> int:
    """Start every node; the status is 1 if one of them did not come up."""
    told.splash()
    found = _nodes(words)
    told.note("> Starting nodes...")
    return max([_start(node, told) for node in found], default=0)


def stop(words: list[str], told: Told) -> int:
    """Have them end."""
    number = _signal(words)
    told.splash()
    for node, pid in _up(_nodes(words), told):
        _send(node, pid, number, told)
    return 0


def stopwait(words: list[str], told: Told) -> int:
    """Have them end, and wait."""
    number = _signal(words)
    told.splash()
    _stop(_nodes(words), number, told)
    return 0


def restart(words: list[str], told: Told) -> int:
    """Have them end, and start them again."""
    number = _signal(words)
    told.splash()
    found = _nodes(words)
    _stop(found, number, told)
    told.note("> Starting nodes...")
    return max([_start(node, told) for node in found], default=0)


def kill(words: list[str], told: Told) -> int:
    """End them at once."""
    told.splash()
    for node, pid in _up(_nodes(words), told):
        _send(node, pid, system.KILL, told)
    return 0


def show(words: list[str], told: Told) -> int:
    """Print command lines."""
    for node in _nodes(words):
        click.echo(shlex.join([node.executable, *node.arguments()]))
    return 0


def get(words: list[str], told: Told) -> int:
    """Print the arguments of one; the status is 1 if there is none of that name."""
    wanted, *others = words or [""]
    for node in _nodes(others):
        if node.name == wanted:
            click.echo(shlex.join(node.arguments()))
            return 0
    return 1


def names(words: list[str], told: Told) -> int:
    """Print full names."""
    for node in _nodes(words):
        click.echo(node.name)
    return 0


def expand(words: list[str], told: Told) -> int:
    """Print a text for each."""
    text, *others = words or [""]
    for node in _nodes(others):
        click.echo(node.expand(text))
    return 0


VERBS: dict[str, Callable[[list[str], Told], int]] = {
    "start": start,
    "stop": stop,
    "stopwait": stopwait,
    "stop_verify": stopwait,
    "restart": restart,
    "kill": kill,
    "show": show,
    "get": get,
    "names": names,
    "expand": expand,
}


# Nodes ----------------------------------------------------------------------------------------------------------------


def _nodes(words: Sequence[str]) -> list[Node]:
    this, sorted_words = session(), parse(words)
    if this.app_name is not None and not {"-A", "--app"} & sorted_words.options.keys():
        sorted_words.options = {"-A": this.app_name, **sorted_words.options}
    _check(sorted_words)
    return nodes(sorted_words, module=this.face.module)


def _check(words: Words) -> None:
    if not words.names:
        raise click.UsageError("which nodes? Give their names, or how many: multi start 3")
    for option in ("-D", "--detach"):
        words.options.pop(option, None)  # they are anyway


def _start(node: Node, told: Told) -> int:
    told.note(f"\t> {node.name}: ", end=False)
    for folder in node.folders:
        _make(Path(folder), node, told)
    line = [node.executable, *node.arguments()]
    if told.verbose:
        told.note(shlex.join(line))
    try:
        status = subprocess.run(line, check=False, stdout=None if told.verbose else subprocess.DEVNULL).returncode
    except OSError as error:
        refuse(f"{line[0]}: {error.strerror}")
    if status < 0:
        told.note(f"* Child was terminated by signal {-status}")
    elif status:
        told.note(f"* Child terminated with exit code {status}")
    told.outcome(status)
    return 1 if status else 0


def _make(folder: Path, node: Node, told: Told) -> None:
    """Make a folder for the node's files, that of the user whom it becomes."""
    if folder.exists():
        return
    try:
        uid, gid, _ = ids(node.options.get("--uid"), node.options.get("--gid"))
        folder.mkdir(parents=True)
        if (uid, gid) != (os.getuid(), os.getgid()):
            os.chown(folder, uid, gid)
    except CannotBecome as error:
        refuse(str(error))


def _up(found: Iterable[Node], told: Told) -> Iterator[tuple[Node, int]]:
    """Those that run, and their numbers; of the others it is said that they do not."""
    for node in found:
        pid = number_in(Path(node.pid_path))
        if pid is not None and lives(pid):
            yield node, pid
        else:
            told.note(f"> {node.name}: DOWN")


def _stop(found: Iterable[Node], number: int, told: Told) -> None:
    """Have them end, and return when they have."""
    left = [(node, pid) for node, pid in _up(found, told) if _send(node, pid, number, told)]
    if left:
        told.note(f"> Waiting for {len(left)} node{'s' * (len(left) != 1)} -> {', '.join(str(p) for _, p in left)}...")
    while left:
        for node, pid in [one for one in left if not lives(one[1])]:
            told.note(f"\t> {node.name}: ", end=False)
            told.outcome(0)
            left.remove((node, pid))
        if left:
            SYSTEM.pause(AGAIN)


def _send(node: Node, pid: int, number: int, told: Told) -> bool:
    """Send a signal. False: the process has ended meanwhile."""
    told.note(f"\t> {node.name}: {signal_name(number)} -> {pid}")
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        told.note(f"Could not signal {node.name} ({pid}): No such process")
        return False
    except PermissionError:
        refuse(f"{node.name}: process {pid} is another user's")
    return True


def _signal(words: list[str]) -> int:
    """The signal that is among the words (``-9``, ``-QUIT``), and is taken out of them; TERM if none is."""
    for word in words:
        if word == "--":
            break
        number = _number(word[1:]) if word.startswith("-") and not word.startswith("--") else None
        if number is not None:
            words.remove(word)
            return number
    return signal.SIGTERM


def _number(text: str) -> int | None:
    if text.isdecimal():
        return int(text)
    known: Any = getattr(signal, f"SIG{text.upper().removeprefix('SIG')}", None)
    return known if isinstance(known, signal.Signals) else None
