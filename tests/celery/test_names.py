"""Celery's names: each is Umbel's own object, what is missing says so, and who does not use them does not load them."""

import importlib
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import umbel
import umbel.celery as celery
import umbel_as_celery
from tests.celery.programs import refused, said
from umbel.celery import offered
from umbel.celery.utils import nodenames

REAL = json.loads((Path(__file__).parent / "real_names.json").read_text())
"""The public names of Celery, kombu 5.7.0 and billiard 4.3: what ``__all__`` lists, or is defined there."""
ONLY_CELERYS = (
    "CDeprecationWarning",
    "CPendingDeprecationWarning",
    "DuplicateNodenameWarning",
    "FixupWarning",
    "WorkerShutdown",
    "WorkerTerminate",
    "reraise",
)
"""Names of Celery's exceptions that Umbel itself never raises."""
HOME = Path(celery.__file__).parent
MODULES = sorted(
    ".".join(("umbel.celery", *path.relative_to(HOME).with_suffix("").parts)).removesuffix(".__init__")
    for path in HOME.rglob("*.py")
    if path.stem != "__main__" and "django" not in path.parts  # which has a test of its own
)
USUAL = (
    "from umbel.celery import Celery, Task, chain, chord, current_app, group, shared_task, signature, states\n"
    "from umbel.celery.exceptions import Ignore, Retry, SoftTimeLimitExceeded\n"
    "from umbel.celery.result import AsyncResult, GroupResult\n"
    "from umbel.celery.schedules import crontab\n"
    "from umbel.celery.signals import task_failure, worker_ready\n"
    "from umbel.celery.utils.log import get_task_logger\n"
    "from umbel.celery.app.task import Task\n"
    "from umbel.celery.kombu import Exchange, Queue"
)
"""What programs of Celery's users import."""
APART = ("umbel.celery.bin", "umbel.celery.contrib")  # with click and with pytest
ALL = f"import {', '.join(name for name in MODULES if not name.startswith(APART))}"


@pytest.mark.parametrize("name", MODULES)
def test_every_name_a_module_lists_is_there(name: str) -> None:
    module = importlib.import_module(name)
    assert [listed for listed in getattr(module, "__all__", []) if not hasattr(module, listed)] == []


@pytest.mark.parametrize("name", ["signals", "states"])
def test_a_door_offers_all_that_the_native_one_does(name: str) -> None:
    native, door = importlib.import_module(f"umbel.{name}"), importlib.import_module(f"umbel.celery.{name}")
    assert {n: getattr(door, n) for n in door.__all__} == {n: getattr(native, n) for n in native.__all__}


def test_the_errors_are_the_native_ones() -> None:
    from_celery = importlib.import_module("umbel.celery.exceptions")
    own = {name for name in umbel.exceptions.__all__ if not name.startswith("Umbel")}
    assert set(from_celery.__all__) == own | {"CeleryError", "CeleryWarning", *ONLY_CELERYS}
    assert from_celery.CeleryError is umbel.exceptions.UmbelError
    assert from_celery.Retry is umbel.Retry


def test_names_are_umbels_own_objects() -> None:
    for name in ("Task", "chain", "chord", "chunks", "group", "shared_task", "signature"):
        assert getattr(celery, name) is getattr(umbel, name)


@pytest.mark.parametrize("module", sorted(offered.ABSENT))
def test_a_name_that_is_not_offered_says_why_and_names_the_page(module: str) -> None:
    for name, why in offered.reasons(module).items():
        with pytest.raises(ImportError, match=rf"{name} is not offered by Umbel; {re.escape(why)}; .* docs/celery\.md"):
            getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("module", sorted(REAL))
def test_every_public_name_of_celerys_is_offered_or_said_to_be_absent(module: str) -> None:
    top, dot, rest = module.partition(".")
    home = umbel_as_celery.HOMES[top] + dot + rest
    if module in offered.ABSENT_MODULES:
        with pytest.raises(ImportError, match=rf"{module} is not offered by Umbel; .*docs/celery\.md"):
            umbel_as_celery.Alias().find_spec(module)
        return
    found, said = importlib.import_module(home), offered.reasons(home)
    missing = [name for name in REAL[module] if name not in said and not hasattr(found, name)]
    assert missing == []
    assert [name for name in said if name in vars(found)] == []


def test_a_name_that_celery_never_had_is_an_ordinary_miss(tmp_path: Path) -> None:
    assert not hasattr(celery, "nonsense")
    assert "cannot import name 'nonsense'" in refused(tmp_path, "from umbel.celery import nonsense")


def test_an_app_starts_from_celerys_defaults() -> None:
    app = celery.Celery("proj", set_as_current=False)
    assert isinstance(app, umbel.Umbel)
    assert (app.conf.task_acks_late, app.conf.worker_prefetch_multiplier) == (False, 4)
    assert celery.Celery("own", set_as_current=False, defaults="umbel").conf.task_acks_late


def test_without_an_app_the_current_one_is_a_default(tmp_path: Path) -> None:
    program = (
        "from umbel.celery import Celery, current_app\n"
        "current_app.conf.task_default_queue = 'first'\n"
        "print(current_app.main, current_app.conf.task_default_queue)\n"
        "app = Celery('proj')\n"
        "print(current_app.main, current_app == app)"
    )
    assert said(tmp_path, program) == "default first\nproj True"


def test_app_or_default() -> None:
    app = celery.Celery("proj", set_as_current=False)
    current = importlib.import_module("umbel.celery.app")
    assert current.app_or_default(app) is app


def test_ids_are_new_each_time() -> None:
    assert celery.uuid() != celery.uuid()
    assert len(celery.uuid()) == 36


@pytest.mark.parametrize(
    ("given", "parts", "whole"),
    [
        ("a@b", ("a", "b"), "a@b"),
        ("b", (None, "b"), "celery@b"),
    ],
)
def test_node_names(given: str, parts: tuple[str | None, str], whole: str) -> None:
    assert nodenames.nodesplit(given) == parts
    assert nodenames.default_nodename(given) == whole


def test_a_logger_stands_below_celerys(tmp_path: Path) -> None:
    program = (
        "from umbel.celery.utils.log import get_logger, get_task_logger\n"
        "print(get_logger('a.b').parent.name, get_logger('celery').parent.name, get_task_logger('c').parent.name)"
    )
    assert said(tmp_path, program) == "celery root celery.task"


def test_native_programs_load_none_of_celerys_names(tmp_path: Path) -> None:
    program = (
        "import sys, umbel, umbel.cli, umbel.worker.run, umbel.beat.run, umbel.worker.controller\n"
        "app = umbel.Umbel('own', broker='memory://')\n"
        "task = app.task(lambda: 1, name='one')\n"
        "assert task.apply().get() == 1\n"
        "print([name for name in sys.modules if name.startswith('umbel.celery')])"
    )
    assert said(tmp_path, program) == "[]"


def test_what_programs_import_costs_less_than_half_of_umbel(tmp_path: Path) -> None:
    native = "import sys; from umbel import *; before = set(sys.modules)"
    loaded = said(tmp_path, f"{native}; {USUAL}; print(*sorted(set(sys.modules) - before))").split()
    ours = said(tmp_path, f"{native}; print(sum(name.startswith('umbel') for name in before))")
    assert len(loaded) < int(ours) / 2
    assert [name for name in loaded if name.startswith(("redis", "click", "rich", "asyncio", "umbel.worker"))] == []


def test_no_name_loads_a_driver(tmp_path: Path) -> None:
    loaded = said(tmp_path, f"import sys; {ALL}; print(*sorted(sys.modules))").split()
    assert [name for name in loaded if name.startswith(("redis", "click", "rich", "umbel.cli"))] == []


def test_what_comes_later_says_so() -> None:
    app: Any = celery.Celery("proj", broker="memory://later", set_as_current=False)
    asks: list[Callable[[], Any]] = [
        lambda: app.control.inspect().active(),
        lambda: app.control.ping(),
        lambda: app.control.broadcast("x"),
        lambda: app.events,
    ]
    for ask in asks:
        with pytest.raises(NotImplementedError, match=r"not built yet.*docs/celery\.md"):
            ask()


def test_waiting_calls_are_purged() -> None:
    app: Any = celery.Celery("proj", broker="memory://purged", set_as_current=False)
    app.send_task("a")
    app.send_task("b")
    assert (app.control.purge(), app.control.discard_all()) == (2, 0)


def test_an_app_has_celerys_parts() -> None:
    app: Any = celery.Celery("proj", broker="memory://parts", backend="memory://parts", set_as_current=False)
    assert app.amqp.queues["celery"].name == app.amqp.default_queue.name == "celery"
    assert app.loader.import_module("json") is json
    assert app.either("task_default_queue", None) == "celery"
    assert app.either("task_default_queue", None, "mine") == "mine"
    assert "celery:5.7.0" in app.bugreport()
    app.backend.store_result("x", 3, "SUCCESS")
    app.backend.store_result("x", None, "FAILURE")
    assert (app.AsyncResult("x").get(timeout=5), app.backend.get_result("x")) == (3, 3)
    assert app.AsyncResult("x", backend=app.backend).get(timeout=5) == 3
    app.backend.mark_as_failure("y", ValueError(1))
    assert isinstance(app.backend.wait_for("y", timeout=5)["result"], ValueError)
    with pytest.raises(NotImplementedError, match="No result backend"):
        celery.Celery("none", broker="memory://", set_as_current=False).backend.get_result("x")
    assert (app.configured, app.fixups, app.namespace) == (True, (), None)
    begun = []
    app.on_after_fork.connect(lambda sender, **_: begun.append(sender), weak=False)
    celery.signals.worker_process_init.send(sender=None)
    assert begun == [app]
    again = pickle.loads(pickle.dumps(app))
    assert (again.main, again.conf.broker_url) == ("proj", "memory://parts")
