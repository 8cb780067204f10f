"""The public door: which names it has, and what importing it loads."""

import ast
import importlib
import inspect
import json
import subprocess
import sys

import pytest

import umbel
from umbel import exceptions, signals, states

NAMES = [
    "AsyncResult",
    "Broadcast",
    "Exchange",
    "GroupResult",
    "Ignore",
    "Queue",
    "Reject",
    "ResultSet",
    "Retry",
    "Signature",
    "StampingVisitor",
    "Task",
    "Umbel",
    "__version__",
    "allow_join_result",
    "chain",
    "chord",
    "chunks",
    "clocked",
    "crontab",
    "current_task",
    "exceptions",
    "get_task_logger",
    "group",
    "install_as_celery",
    "schedule",
    "shared_task",
    "signals",
    "signature",
    "solar",
    "states",
]


def test_the_door_has_these_names_and_no_others() -> None:
    assert umbel.__all__ == NAMES


@pytest.mark.parametrize("module", [exceptions, signals, states])
def test_names_are_sorted_exist_and_are_all_that_is_public(module: object) -> None:
    names = list(module.__all__)  # type: ignore[attr-defined]
    assert names == sorted(names)
    assert {n for n, v in vars(module).items() if not n.startswith("_") and not inspect.ismodule(v)} == set(names)


def test_what_type_checkers_see_at_the_door_is_what_programs_get() -> None:
    door = ast.parse(inspect.getsource(umbel))
    (typed,) = (node for node in door.body if isinstance(node, ast.If))
    seen: dict[str, tuple[str, str]] = {}
    for line in typed.body:
        assert isinstance(line, ast.ImportFrom)
        assert line.module is not None
        for one in line.names:
            seen[one.asname or one.name] = (line.module, one.name)
    assert sorted([*seen, "__version__"]) == NAMES
    for name, (home, there) in seen.items():
        module = importlib.import_module(f"{home}.{name}" if home == "umbel" else home)
        assert getattr(umbel, name) is (module if home == "umbel" else getattr(module, there))
    assert set(NAMES) <= set(dir(umbel))


def test_other_names_are_not_at_the_door() -> None:
    with pytest.raises(AttributeError, match="module 'umbel' has no attribute 'chian'"):
        umbel.chian  # noqa: B018  # pyright: ignore
    with pytest.raises(ImportError, match="cannot import name 'chian'"):
        exec("from umbel import chian")


def test_everything_public_is_documented() -> None:
    undocumented = [n for n in NAMES if not n.startswith("__") and not getattr(umbel, n).__doc__]
    assert undocumented == []


def test_importing_loads_no_driver_and_few_modules() -> None:
    code = "import sys, json; from umbel import *; print(json.dumps(sorted(sys.modules)))"
    found = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True, text=True)
    modules = json.loads(found.stdout)
    assert not [m for m in modules if m.startswith(("umbel.drivers", "umbel.worker", "umbel.cli", "sqlite3", "redis"))]
    foreign = [m for m in modules if m.split(".")[0] not in sys.stdlib_module_names]
    ours = [m for m in foreign if m.split(".")[0].startswith("umbel")]
    assert len(foreign) - len(ours) < 20  # docs/decisions/small-modules.md


def test_every_name_of_the_error_tree_is_at_the_door() -> None:
    from umbel.core import errors  # noqa: PLC0415  compared here, used nowhere else

    own = {n for n, v in vars(errors).items() if isinstance(v, type) and v.__module__ == errors.__name__}
    assert own == set(exceptions.__all__)
