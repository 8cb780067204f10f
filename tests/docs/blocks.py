"""The code blocks of a Markdown file, and a folder in which they are executed in order, as a reader would.

- ``python``: if the first line is ``# NAME.py``, the block is that file; else it is a program that must succeed.
- ``pycon``: a doctest.
- ``console``: each ``$ command`` must succeed or, where output is printed below it, say that (``...``: anything).
  Workers run until the document ends. ``make`` targets are only asked whether they exist.
- ``text`` is no code.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pexpect  # type: ignore[import-untyped]  # it has no types

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_CODE = {"text", "{toctree}"}
READY = "try +umbel"
"""The last line of a worker's banner."""

TIMEOUT = 60


class Block(NamedTuple):
    language: str
    text: str
    line: int


def blocks_of(path: Path) -> list[Block]:
    source = path.read_text()
    found = [Block(m[1], m[2], source.count("\n", 0, m.start()) + 1) for m in FENCE.finditer(source)]
    return [block for block in found if block.language not in NOT_CODE]


@dataclass
class Reader:
    """Somebody who types in what a document says, in an empty folder."""

    folder: Path
    workers: list["pexpect.spawn[bytes]"] = field(default_factory=list)

    def follow(self, block: Block) -> None:
        {"python": self.write_or_run, "pycon": self.doctest, "console": self.type}[block.language](block)

    def write_or_run(self, block: Block) -> None:
        named = re.match(r"# (\w+\.py)\n", block.text)
        if named:
            self.save(named[1], block.text)
        else:
            self.run([sys.executable, "-W", "error", "-c", block.text])

    def save(self, name: str, text: str) -> None:
        """Save a file and, where ``umbel dev`` watches, wait until it has reloaded."""
        (self.folder / name).write_text(text)
        for worker in self.workers:
            if " dev " in f" {' '.join(worker.args)} ":
                worker.expect("restarting", timeout=TIMEOUT)
                worker.expect(READY, timeout=TIMEOUT)

    def doctest(self, block: Block) -> None:
        session = self.folder / f"session_{block.line}.txt"
        session.write_text(block.text)
        self.run([sys.executable, "-m", "doctest", str(session)])

    def type(self, block: Block) -> None:
        for command, expected in commands_of(block.text):
            words = shlex.split(command)
            if words[0] == "make":
                assert subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True).returncode == 0, (
                    command
                )
            elif words[0] == ".":
                assert (ROOT / words[1]).exists() or (BIN / "activate").exists(), command
            elif {"worker", "dev"} & set(words):
                self.start(command)
            else:
                self.run(["sh", "-c", command], expected=expected)

    def start(self, command: str) -> None:
        worker = pexpect.spawn(
            "sh", ["-c", f"exec {command}"], cwd=str(self.folder), env=self.environment(), timeout=TIMEOUT
        )
        self.workers.append(worker)
        worker.expect(READY)

    def run(self, command: list[str], *, expected: str = "") -> None:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=TIMEOUT
        )
        said = done.stdout + done.stderr
        if expected:
            assert re.fullmatch(pattern_of(expected), said.strip()), (
                f"{command[-1]} said:\n{said}\nand not:\n{expected}"
            )
        else:
            assert done.returncode == 0, f"{command[-1]} failed:\n{said}"

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(self.folder)}

    def leave(self) -> None:
        for worker in self.workers:
            worker.sendintr()
            worker.expect(pexpect.EOF, timeout=TIMEOUT)
            worker.close(force=True)


def commands_of(text: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output.strip()


def pattern_of(expected: str) -> re.Pattern[str]:
    """What was printed as a pattern: ``...`` is anything, a run of blanks any run of blanks."""
    words = r"\s+".join(re.escape(word) for word in expected.split())
    return re.compile(
        words.replace(re.escape("..."), ".*?").replace(r".*?\s+", r".*?\s*").replace(r"\s+.*?", r"\s*.*?"), re.DOTALL
    )
