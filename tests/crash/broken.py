"""A copy of Umbel with one thing wrong, for workers to run: so the checker is seen to fail."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from tests.worker.fleet import Farm

SOURCE = Path(__file__).parents[2] / "src" / "umbel"


class Break(NamedTuple):
    """One edit: ``old`` is there once, or the break is out of date."""

    file: str
    old: str
    new: str


def break_workers(farm: Farm, *breaks: Break) -> None:
    """Workers that start from now on run a copy with these edits; the test's own process does not."""
    house = farm.folder / "broken"
    shutil.copytree(SOURCE, house / "umbel", ignore=shutil.ignore_patterns("__pycache__"))
    for file, old, new in breaks:
        path = house / "umbel" / file
        text = path.read_text()
        assert text.count(old) == 1, f"{file} has changed: adapt this break"
        path.write_text(text.replace(old, new))
    farm.environment["PYTHONPATH"] = os.pathsep.join((str(house), farm.environment["PYTHONPATH"]))
