"""What README and docs print is executed, in order, in an empty folder."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Reader, blocks_of
from umbel.broker.base import Features
from umbel.broker.memory import FEATURES as MEMORY
from umbel.broker.redis import FEATURES as REDIS
from umbel.broker.sqlite import FEATURES as SQLITE

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
WITH_CODE = [path for path in DOCUMENTS if blocks_of(path)]


@pytest.fixture
def reader(folder: Path) -> Iterator[Reader]:
    made = Reader(folder)
    yield made
    made.leave()


@pytest.mark.parametrize("document", WITH_CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_code_block_does_what_it_says(document: Path, reader: Reader) -> None:
    for block in blocks_of(document):
        reader.follow(block)


def test_the_example_runs_as_its_docstring_says(reader: Reader) -> None:
    reader.save("quickstart.py", (ROOT / "examples" / "quickstart.py").read_text())
    reader.start("umbel -A quickstart worker --concurrency 2")
    reader.run(["python", "quickstart.py"], expected="one call: 4 ten calls: [0, 2, ...] later: the page at ...")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_named_exist(document: Path) -> None:
    text = document.read_text()
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    sources = [
        f"src/umbel/{name}"
        for name in re.findall(r"`((?:core|wire|app|broker|worker|result|runtime)/\w+(?:\.py)?)`", text)
    ]
    missing = [link for link in links if not (document.parent / link).exists()]
    assert missing + [name for name in sources if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("features", [SQLITE, REDIS, MEMORY], ids=lambda features: features.name)
def test_the_documentation_says_what_an_adapter_says_itself(features: Features) -> None:
    largest = "any" if features.largest_message is None else f"{features.largest_message} bytes"
    guarantees = " ".join(sorted(features.guarantees, key=lambda name: int(name[1:])))
    cells = (f"`{features.name}`", features.reach, features.liveness, largest, guarantees)
    assert f"| {' | '.join(cells)} |" in (ROOT / "docs/internals.md").read_text()


def test_the_pins_cover_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[<>=\[; ]", line)[0].lower() for line in asked}
    pinned = {
        line.partition("==")[0].lower()
        for line in (ROOT / "requirements/dev.txt").read_text().splitlines()
        if "==" in line
    }
    assert names - pinned == set()
