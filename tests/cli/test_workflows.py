"""``umbel workflows``: what an operator sees of one, cancels, and runs again, with one worker for all of it."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.worker.fleet import until

SHOP = """\
from pathlib import Path

from umbel import Umbel, chain, chord

app = Umbel("tasks")


@app.task
def add(*numbers: int) -> int:
    return sum(numbers)


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task
def picky(number: int) -> int:
    if not Path("open").exists():
        raise ValueError("shut")
    return number


def sell() -> str:
    header = [add.s(n, n) for n in range(20)] + [picky.s(2)]
    return chain(chord(header, total.s()), add.s(1)).delay().id
"""


@pytest.fixture
def tasks(module: Callable[..., Path]) -> Path:
    """The module that the worker of these tests runs."""
    return module("tasks", SHOP)


def test_a_workflow_is_listed_drawn_run_again_and_cancelled(umbel: Run, worker: object, folder: Path) -> None:
    assert umbel("-A", "tasks", "workflows").stderr.startswith("no workflows: ")
    shop: Any = importlib.import_module("tasks")
    id = shop.sell()
    until(lambda: shop.app.workflows.latest(1)[0].phase == "failed", what="the failure of the chord")
    (row,) = listed(umbel)
    assert (row["id"], row["name"], row["size"]) == (id, "chord(20 × add, picky, total | add)", 23)

    shown = umbel("-A", "tasks", "workflows", "show", id).stdout.splitlines()
    assert shown[0] == f"chord(20 × add, picky, total | add)  failed  {id}"
    assert shown[1].endswith("UTC; 20 succeeded, 1 failed, 2 never ran")
    assert any("chord of 21  failed  21 of 21 parts, 1 failed" in line for line in shown)
    assert any("tasks.picky(2)  failed  +" in line and line.endswith("ValueError: shut") for line in shown)
    assert any(line.endswith("… 9 more: 9 succeeded (--all draws them)") for line in shown)
    assert any("then chain  never ran" in line for line in shown)
    assert len(umbel("-A", "tasks", "workflows", "show", id, "--all").stdout.splitlines()) == len(shown) + 8
    tree = json.loads(umbel("-A", "tasks", "workflows", "show", id, "--json").stdout)
    assert (tree["id"], tree["counts"]) == (id, {"succeeded": 20, "failed": 1, "never ran": 2})
    assert tree["root"]["members"][-1]["error"] == "ValueError: shut"

    (folder / "open").touch()
    assert umbel("-A", "tasks", "workflows", "retry", id).stdout == "1 run again, 20 kept\n"
    assert shop.app.AsyncResult(id).get(timeout=20) == 383
    assert umbel("-A", "tasks", "workflows", "retry", id).stdout == "nothing to run again: nothing of it has failed\n"
    assert umbel("-A", "tasks", "workflows", "revoke", id).stdout == "nothing to revoke: all of it has ended\n"
    late = (shop.add.s(1).set(countdown=3600) | shop.add.s(2)).delay()
    done = json.loads(umbel("-A", "tasks", "workflows", "revoke", late.parent.id, "--json").stdout)
    assert done == {"id": late.id, "revoked": [late.parent.id, late.id]}
    shop.app.close()


def listed(umbel: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(umbel("-A", "tasks", "workflows", "--json").stdout)
    return found


def test_what_there_is_not_is_said_in_a_line(umbel: Run, tasks: Path) -> None:
    refused = umbel("-A", "tasks", "workflows", "show", "nobody")
    assert (refused.returncode, refused.stderr.startswith("umbel: nothing is known of 'nobody'")) == (1, True)
    refused = umbel("-A", "tasks", "workflows", "revoke", "nobody", "--signal", "TERM")
    assert (refused.returncode, "say --terminate too" in refused.stderr) == (2, True)
    refused = umbel("-A", "tasks", "workflows", UMBEL_RESULT_BACKEND="disabled://")
    assert (refused.returncode, "set result_backend" in refused.stderr) == (1, True)
