"""The newcomer's ten minutes, typed into a terminal from the first command to the first reload."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal, small_library

EDIT = """

@app.task
def divide(x: float, y: float) -> float:
    return x / y


@app.task
def outlive(note: str) -> str:
    first = not os.path.exists(note)
    with open(note, "a") as file:
        print(os.getpid(), file=file, flush=True)
    if first:
        signal.pause()
    return "run again"
"""


@pytest.fixture
def terminals(folder: Path) -> Iterator[tuple[Terminal, Terminal]]:
    here, there = Terminal(folder), Terminal(folder)
    yield here, there
    there.shell.sendintr()
    here.leave()
    there.leave()


@pytest.mark.slow
def test_the_first_ten_minutes(folder: Path, terminals: tuple[Terminal, Terminal]) -> None:
    here, there = terminals

    assert "umbel demo" in here.type("umbel")

    library = small_library(folder)
    files = len(list(library.glob("*.py")))
    said = here.type(f"umbel demo {library.name}", timeout=120)
    assert f"demo: {files} of {files} files done, 1 process killed, 0 lost" in said
    assert said.rstrip().endswith("next: umbel new")
    assert here.status() == 0

    assert "umbel dev -A tasks" in here.type("umbel new")
    there.start("umbel dev -A tasks")
    there.see(r"SQLite, (\S+)umbel\.db")
    there.see(r"try +umbel -A tasks call add 2 2 --wait")

    assert here.type("umbel -A tasks call add 2 2 --wait").splitlines()[-1] == "4"

    wrong = here.type("umbel -A tasks call add 2")
    assert "add(x: int, y: int)" in wrong
    assert "Traceback" not in wrong
    assert here.status() != 0

    tasks = folder / "tasks.py"
    tasks.write_text("import os\nimport signal\n" + tasks.read_text() + EDIT)
    there.see(r"tasks\.py changed, restarting")
    there.see(r"try +umbel")

    raised = here.type("umbel -A tasks call divide 1 0 --wait")
    assert "return x / y" in raised
    assert "ZeroDivisionError: division by zero" in raised
    assert here.status() == 1
    there.see(r"return x / y[\s\S]*ZeroDivisionError: division by zero")

    here.type("umbel -A tasks call outlive note")
    pid = int(here.type("until test -s note; do :; done; head -n 1 note").strip())
    here.type(f"kill -9 {pid}")
    there.see(rf"{pid}[^\n]*outlive")
    assert here.type("until test $(wc -l < note) = 2; do :; done; sort -u note | wc -l").strip() == "2"

    text = tasks.read_text()
    tasks.write_text(text + "def broken(:\n")
    there.see(r"tasks\.py line \d+: invalid syntax; the worker goes on")
    assert here.type("umbel -A tasks:app -q report >/dev/null; echo done").endswith("done\n")

    tasks.write_text(text.replace("return x + y", "return 1000 + x + y"))
    there.see(r"tasks\.py changed, restarting")
    there.see(r"try +umbel")
    assert here.type("umbel -A tasks call add 2 2 --wait").splitlines()[-1] == "1004"

    there.interrupt()
    assert re.search(r"\b0\b", str(there.status()))
