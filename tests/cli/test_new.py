"""``umbel new``."""

import ast
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_it_writes_ten_lines_that_are_an_application(umbel: Run, folder: Path) -> None:
    done = umbel("new")
    source = (folder / "tasks.py").read_text()
    assert done.returncode == 0
    assert len(source.splitlines()) == 10
    ast.parse(source)
    assert "tasks.add" in umbel("-A", "tasks", "tasks").stdout
    assert "umbel dev -A tasks" in done.stderr
    assert "umbel -A tasks call add 2 2 --wait" in done.stderr


def test_it_overwrites_nothing(umbel: Run, folder: Path) -> None:
    (folder / "tasks.py").write_text("mine")
    done = umbel("new")
    assert (done.returncode, (folder / "tasks.py").read_text()) == (1, "mine")
    assert done.stderr == "umbel: tasks.py is there already; umbel new OTHER writes OTHER.py\n"


def test_another_name(umbel: Run, folder: Path) -> None:
    assert umbel("new", "jobs.py").returncode == 0
    assert 'Umbel("jobs")' in (folder / "jobs.py").read_text()


@pytest.mark.parametrize("name", ["umbel", "class", "my-tasks", "a/b"])
def test_names_that_no_module_can_have(umbel: Run, folder: Path, name: str) -> None:
    done = umbel("new", name)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert list(folder.iterdir()) == []
