"""The application of ``umbel demo``, as any user would write it; run by a real worker in a folder of the demo's own.

Its task keeps a ledger of starts and ends, so that the demo knows which process runs which file at any moment. One
line is one write to a file opened for appending, which the kernel does not tear.
"""

import ast
import os
import warnings
from pathlib import Path
from typing import TypedDict

from umbel import Umbel

LEDGER = "ledger"
FOLDER = "UMBEL_DEMO_FOLDER"

app = Umbel("demo")


class Counts(TypedDict):
    """What is told of one file. ``problem`` says why Python cannot parse it."""

    lines: int
    functions: int
    classes: int
    longest: str
    longest_lines: int
    problem: str | None


@app.task
def measure(path: str) -> Counts:
    """Parse a Python file and count what is in it."""
    note("start", path)
    counted = count(Path(path).read_bytes())
    note("end", path)
    return counted


def note(what: str, path: str) -> None:
    """Add a line to the ledger: what, process, file."""
    ledger = os.open(Path(os.environ[FOLDER]) / LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(ledger, f"{what}\t{os.getpid()}\t{path}\n".encode("utf-8", "surrogateescape"))
    finally:
        os.close(ledger)


def count(source: bytes) -> Counts:
    """Lines, functions, classes, and the longest function."""
    counted = Counts(lines=len(source.splitlines()), functions=0, classes=0, longest="", longest_lines=0, problem=None)
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        counted["problem"] = f"{type(error).__name__}: {error}"
        return counted
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            counted["classes"] += 1
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            counted["functions"] += 1
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > counted["longest_lines"]:
                counted["longest"], counted["longest_lines"] = node.name, lines
    return counted
