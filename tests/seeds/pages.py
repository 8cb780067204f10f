"""Reads a page about Celery that was saved as text: its instructions, and its code with the indentation it lost.

Knows nothing of what the code means. A line that begins with a capital letter is a heading or a sentence; a line that
begins with a program's name is typed into a shell; ``# some/file.py`` names the file that follows.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

FENCE = re.compile(r"```(\w*)")
FILE = re.compile(r"# ([\w/]+\.py)$")
BULLET = re.compile(r"\s*[-•]\s+(.*)")
HEADING = re.compile(r"##+ |[A-Z][\w&,\- ]*:?$")
SENTENCE = re.compile(r"[A-Z<].*")
PROGRAM = re.compile(r"(pip|celery|redis-cli) ")
FRONT = re.compile(r"(name|description): ")
BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
STRING = re.compile(r'"[^"]*"|\'[^\']*\'')
OPENERS = re.compile(r"(async def|def|class|if|elif|else|for|while|try|except|finally|with)\b")
FOLLOWS = {
    "except": {"try", "except"},
    "finally": {"try", "except", "else"},
    "elif": {"if", "elif"},
    "else": {"if", "elif", "for", "while", "try", "except"},
}
METHOD = re.compile(r"@(property|staticmethod|classmethod|\w+\.setter)\b")
PASSED = {"if", "elif", "else", "for", "with"}
"""Blocks that a ``return`` does not belong to, unless it is their first statement."""

LEAVES = re.compile(r"(return|raise|break|continue|pass)\b")


class Piece(NamedTuple):
    """One thing that a page tells its reader: a bullet, a command to type, or a block of Python (of a file)."""

    kind: str
    section: str
    text: str
    file: str = ""


def pieces(page: str) -> list[Piece]:
    """Everything a page says, in order; what it says twice, once."""
    found: dict[str, Piece] = {}
    for piece in _pieces(page):
        found.setdefault(re.sub(r"[`\s]", "", piece.text), piece)
    return list(found.values())


def _pieces(page: str) -> Iterator[Piece]:
    section, code, bullet, fenced = "", list[str](), list[str](), False

    def ended() -> Iterator[Piece]:
        for text in re.split(r"(?<=\.) - ", " ".join(bullet)):  # bullets that were saved as one
            if text:
                yield Piece("bullet", section, text)
        yield from _blocks(section, code)
        bullet.clear()
        code.clear()

    for line in filter(None, map(str.rstrip, page.splitlines())):
        item = BULLET.match(line)
        if FENCE.match(line):
            yield from ended()
            fenced = not fenced
        elif fenced:
            code.append(line)
        elif HEADING.match(line) or (SENTENCE.match(line) and not item) or FRONT.match(line):
            yield from ended()
            section = line.strip("# :") if HEADING.match(line) else section
        elif item:
            yield from ended()
            bullet.append(item[1])
        else:
            (bullet or code).append(line)
    yield from ended()


def _blocks(section: str, lines: list[str]) -> Iterator[Piece]:
    """The files, programs and commands among the lines of a section."""
    file, block = "", list[str]()
    for line in [*lines, ""]:
        named, typed = FILE.match(line), PROGRAM.match(line)
        if not (named or typed or line == ""):
            block.append(line)
            continue
        if typed and block and block[-1].startswith("#"):
            block.pop()  # it says what the command is for
        if block:
            yield Piece("python", section, indented(block), file)
        file, block = (named[1] if named else ""), []
        if typed:
            yield Piece("command", section, line)


def steps(block: str) -> dict[str, str]:
    """The parts of a block that stand under comments of their own, by their comment; what stands before is ``""``."""
    found, name = {"": ""}, ""
    for line in block.splitlines():
        if line.startswith("# "):
            name = line[2:]
            found[name] = ""
        else:
            found[name] += line + "\n"
    return found


class Open(NamedTuple):
    """A block whose body we are in."""

    word: str
    level: int


def indented(lines: list[str]) -> str:
    """Python whose lines begin at the margin, indented as its author must have had it.

    What nothing but indentation says is guessed as follows. A decorator, and a function without ``self``, stand at the
    margin unless the decorator is one of methods. A statement after ``return`` or ``raise`` is outside the block
    that these end. A ``return`` after other statements of an ``if``, ``for`` or ``with`` is outside it.
    """
    blocks, written, depth = list[Open](), list[str](), 0
    fresh = left = decorated = False
    for line in map(str.strip, lines):
        if depth:
            written.append("    " * (len(blocks) + 1) + line)
        else:
            if not decorated:
                _close(blocks, line, fresh=fresh, left=left)
            written.append("    " * len(blocks) + line)
            opener, left, fresh, decorated = OPENERS.match(line), bool(LEAVES.match(line)), False, line[0] == "@"
            word = opener[1] if opener else ""
        depth += sum(BRACKETS.get(mark, 0) for mark in STRING.sub("", line))
        if not depth and word and line.endswith(":"):
            blocks.append(Open(word, len(blocks)))
            fresh = True
    return "\n".join(written) + "\n"


def _close(blocks: list[Open], line: str, *, fresh: bool, left: bool) -> None:
    """Leave the blocks that ``line`` does not belong to."""
    word = line.partition(" ")[0].rstrip(":")
    if word in FOLLOWS:
        while blocks[-1].word not in FOLLOWS[word]:
            blocks.pop()
        blocks.pop()
    elif line.startswith("@") or word in ("def", "async"):
        _to_class(blocks, method=bool(METHOD.match(line) or re.search(r"\((self|cls)\b", line)))
    elif word in ("class", "import", "from") or line.startswith("#"):
        blocks.clear()
    elif blocks and (left or (not fresh and word == "return" and blocks[-1].word in PASSED)):
        blocks.pop()


def _to_class(blocks: list[Open], *, method: bool) -> None:
    if not any(block.word == "class" for block in blocks):
        method = False
    while blocks and not (method and blocks[-1].word == "class"):
        blocks.pop()
