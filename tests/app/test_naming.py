"""The names of tasks and the place of the database, also for a script that is run directly."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from umbel import Umbel

SOURCE = """
from umbel import Umbel, shared_task
app = Umbel("proj")

@app.task
def add(x, y): ...

@shared_task
def shared(): ...

if __name__ == "__main__":
    print(add.name, sorted(app.tasks.regular()), app.import_name, app.broker.url)
"""

Write = Callable[..., Path]


def run(folder: Path, *command: str) -> str:
    return subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, check=True, text=True
    ).stdout.strip()


def test_a_script_has_the_name_it_can_be_imported_by(folder: Path, module: Write) -> None:
    module("tasks", SOURCE)
    expected = f"tasks.add ['tasks.add', 'tasks.shared'] tasks sqlite:///{folder / 'umbel.db'}"
    assert run(folder, "tasks.py") == expected
    (folder / "elsewhere").mkdir()
    assert run(folder / "elsewhere", "../tasks.py") == expected


def test_a_script_in_a_package_has_the_packages_name(folder: Path, module: Write) -> None:
    module("proj.__init__", "")
    module("proj.sub.__init__", "")
    module("proj.sub.tasks", SOURCE)
    names = "['proj.sub.tasks.add', 'proj.sub.tasks.shared']"
    expected = f"proj.sub.tasks.add {names} proj.sub.tasks sqlite:///{folder / 'umbel.db'}"
    assert run(folder, "proj/sub/tasks.py") == expected
    assert run(folder, "-m", "proj.sub.tasks") == expected
    imported = "import proj.sub.tasks as t; tasks = sorted(t.app.tasks.regular())"
    imported += "; print(t.add.name, tasks, t.app.import_name, t.app.broker.url)"
    assert run(folder, "-c", imported) == expected


def test_without_a_file_the_apps_name_stands_in(folder: Path) -> None:
    assert run(folder, "-c", SOURCE).startswith("proj.add ['__main__.shared', 'proj.add'] proj ")


def test_a_name_may_be_given(app: Umbel) -> None:
    @app.task(name="my.name")
    def named() -> None: ...

    assert named.name == "my.name"
    assert app.tasks["my.name"] is named


def test_how_names_are_made_may_be_overridden(db_url: str) -> None:
    class Prefixed(Umbel):
        def gen_task_name(self, name: str, module: str) -> str:
            return "x." + super().gen_task_name(name, module)

    app = Prefixed("proj", broker=db_url)

    @app.task
    def add() -> None: ...

    assert add.name == "x.tests.app.test_naming.add"


@pytest.mark.parametrize("defaults", ["umbel", "celery"])
def test_results_are_beside_an_embedded_broker_only_by_umbels_defaults(db_url: str, defaults: str) -> None:
    app = Umbel("proj", broker=db_url, defaults=defaults)  # type: ignore[arg-type]
    assert (app.store is not None) == (defaults == "umbel")
    app.conf.result_backend = "disabled"
    assert app.store is None
