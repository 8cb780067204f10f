"""The word after ``-A``: Celery's order, and one line for whatever is wrong with it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from umbel.cli.find import NoApp, find_app

Write = Callable[..., Path]


def app(name: str) -> str:
    return f"from umbel import Umbel\n{name} = Umbel({name!r})\n"


def test_an_attribute_may_be_named(module: Write) -> None:
    module("one", app("app") + app("other"))
    assert find_app("one:other").main == "other"
    assert find_app("one.other").main == "other"


def test_app_comes_before_celery_and_any_other(module: Write) -> None:
    module("all_three", app("zero") + app("celery") + app("app"))
    module("two", app("zero") + app("celery"))
    module("only", app("zero"))
    assert find_app("all_three").main == "app"
    assert find_app("two").main == "celery"
    assert find_app("only").main == "zero"


@pytest.mark.parametrize("name", ["one.py", "./one.py", "sub/one", "/somewhere/one.py", "one.py:app"])
def test_a_file_is_no_module(module: Write, name: str) -> None:
    module("one", app("app"))
    with pytest.raises(NoApp, match="is a file: name the module"):
        find_app(name)


def test_a_package_is_looked_at_itself_then_its_celery_then_any_then_its_umbel(module: Write) -> None:
    module("a.__init__", app("zero"))
    module("a.celery", app("app"))
    module("b.__init__", app("zero"))
    module("b.umbel", app("app"))
    module("c.__init__", "")
    module("c.umbel", app("app"))
    module("d.__init__", app("celery"))
    module("d.celery", app("app"))
    assert [find_app(name).main for name in ("a", "b", "c")] == ["app", "zero", "app"]


def test_a_package_whose_attribute_celery_is_its_submodule_is_understood(module: Write) -> None:
    module("proj.__init__", "from .celery import app as celery_app\n")
    module("proj.celery", app("app"))
    assert find_app("proj").main == "app"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import nothing_such\n", "cannot import 'broken': ModuleNotFoundError: No module named 'nothing_such'"),
        ("\n1 / 0\n", "cannot import 'broken': ZeroDivisionError: division by zero"),
        ("def f(:\n", "cannot import 'broken': invalid syntax"),
        ("import sys; sys.exit(3)\n", "cannot import 'broken': SystemExit: 3"),
        ("x = 1\n", "holds no application"),
        (
            "import umbel\numbel.Umbel('x', worker_concurrency=0)\n",
            "worker_concurrency = 0: expected a whole number, 1",
        ),
    ],
)
def test_what_is_wrong_with_the_module_is_one_line(umbel: Run, module: Write, source: str, expected: str) -> None:
    module("broken", source)
    done = umbel("-A", "broken", "tasks")
    assert done.returncode == 1
    assert expected in done.stderr
    assert "broken.py" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_debug_shows_the_traceback(umbel: Run, module: Write) -> None:
    module("broken", "\n1 / 0\n")
    said = umbel("--debug", "-A", "broken", "tasks").stderr
    assert "Traceback" in said
    assert 'broken.py", line 2' in said


def test_no_such_module(umbel: Run, folder: Path) -> None:
    done = umbel("-A", "absent", "worker")
    assert done.stderr == f"umbel: cannot import 'absent': there is no module of that name in {folder}\n"
    assert done.returncode == 1


def test_no_such_attribute_names_those_there_are(module: Write) -> None:
    module("one", app("app") + app("other"))
    with pytest.raises(NoApp, match="one has no application named 'thrid'; it has app, other"):
        find_app("one:thrid")


@pytest.mark.parametrize("command", ["worker", "dev", "call add", "tasks", "queues", "purge", "dead", "result x"])
def test_without_an_app_the_line_to_write_is_given(umbel: Run, command: str) -> None:
    done = umbel(*command.split())
    assert done.returncode == 1
    assert done.stderr.startswith("umbel: which application?")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["umbel", "umbel.__init__"])
def test_a_file_that_hides_the_package_is_named(umbel: Run, module: Write, folder: Path, name: str) -> None:
    path = module(name, app("app"))
    done = umbel("-A", "umbel", "worker")
    assert done.returncode == 1
    assert str(path) in done.stderr
    assert "another name" in done.stderr
