"""The pytest plugin in runs of its own: under Umbel's names, under Celery's, and where nobody asks for it."""

import re
from pathlib import Path

import pytest

from tests.celery.programs import run

NATIVE = """
import sys


def test_a_bystander():
    assert "umbel" not in sys.modules


def test_the_app_is_current_and_its_own(umbel_app, umbel_config):
    from umbel import shared_task

    @shared_task
    def shared():
        return "first"

    assert umbel_app.conf.broker_url.startswith("memory://")
    assert umbel_app.conf.defaults == "umbel" and umbel_config == {}
    shared.delay()  # nobody takes it


def test_a_worker_runs_what_was_shared_and_what_is_made_beside_it(umbel_app, umbel_worker):
    from umbel import shared_task

    @shared_task
    def shared():
        return "second"

    made = umbel_app.task(lambda x: x + 1, name="made")
    waiting = umbel_app.broker.sync_producer().survey(None)
    assert sum(depth.ready for depth in waiting) == 0  # what the test before has sent is not here
    assert [shared.delay().get(timeout=20), made.delay(1).get(timeout=20)] == ["second", 2]


def test_after_it_there_is_no_app():
    import pytest
    import umbel

    with pytest.raises(umbel.exceptions.ImproperlyConfigured, match="no app yet"):
        umbel.signature("x").type
"""

ALONE = """
import pytest
from umbel import Umbel, shared_task

app = Umbel("own", broker="memory://", backend="memory://")


@shared_task
def add(x, y):
    return x + y


@pytest.fixture
def umbel_config():
    return {"task_always_eager": True}


def test_with(umbel_config):
    assert add.delay(1, 1).get(timeout=0.1) == 2
    app.conf.task_default_queue = "inside"


def test_without():
    assert not app.conf.task_always_eager and app.conf.task_default_queue != "inside"
"""

CELERYS = """
import sys

import pytest


def test_a_bystander():
    assert not [name for name in sys.modules if name.startswith(("umbel.", "celery"))]


@pytest.fixture(scope="session")
def celery_parameters():
    return {"strict_typing": False}


@pytest.fixture(scope="session")
def celery_worker_parameters():
    return {"queues": ["special"], "without_heartbeat": False}


@pytest.fixture(scope="session")
def celery_includes():
    return ["included"]


@pytest.fixture(scope="session")
def celery_class_tasks():
    from celery import Task

    class Greeting(Task):
        name = "greet"

        def run(self):
            return "hello"

    return [Greeting]


@pytest.mark.celery(task_default_queue="special")
def test_the_marker_and_a_worker(celery_app, celery_worker):
    from included import add

    @celery_app.task
    def mul(x, y):
        return x * y

    celery_worker.reload()
    assert celery_app.conf.task_default_queue == "special"
    assert (celery_app.strict_typing, celery_app.conf.defaults, celery_app.main) == (False, "celery", "celery.tests")
    assert [mul.delay(4, 4).get(timeout=20), add.delay(1, 2).get(timeout=20)] == [16, 3]
    celery_app.conf.task_always_eager = True  # Celery allows it
    assert mul.delay(2, 2).get(timeout=0.1) == 4


def test_the_app_is_not_the_current_one(celery_app):
    from celery import current_app

    assert current_app != celery_app
    assert not celery_app.conf.task_always_eager


@pytest.mark.usefixtures("depends_on_current_app")
def test_unless_that_is_asked_for(celery_app):
    from celery import current_app

    assert current_app == celery_app


def test_the_session_has_one_worker(celery_session_app, celery_session_worker):
    from celery import current_app

    assert current_app == celery_session_app
    assert celery_session_app.send_task("greet", queue="special").get(timeout=20) == "hello"
"""

CONFIG_AND_TRAP = """
import pytest


@pytest.fixture(scope="session")
def celery_config():
    return {"task_always_eager": True, "task_eager_propagates": True}


@pytest.fixture(scope="session")
def use_celery_app_trap():
    return True


def test_alone_it_is_the_current_apps(celery_config):
    from celery import current_app
    from included import add

    call = add.delay(20, 22)
    assert call.successful() and call.result == 42 and current_app.conf.task_eager_propagates


def test_for_its_duration_only():
    from celery import current_app

    assert not current_app.conf.task_always_eager


def test_with_an_app_it_is_that_apps(celery_config, celery_app):
    from celery.contrib.testing.app import Trap

    assert celery_app.conf.task_always_eager and Trap is not None


def test_the_trap(celery_app):
    from celery import current_app

    assert celery_app.conf.task_always_eager
    with pytest.raises(RuntimeError, match="Test depends on current_app"):
        current_app.conf
"""

INCLUDED = "from celery import shared_task\n\n\n@shared_task\ndef add(x, y):\n    return x + y\n"


def passed(folder: Path, *arguments: str, alias: bool = False) -> int:
    """How many tests a run of pytest has, all of which must pass, in the order in which they are written."""
    done = run(folder, "-m", "pytest", "-q", "--strict-markers", "-p", "no:randomly", *arguments, alias=alias)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"(\d+) passed", done.stdout)
    assert counted is not None, done.stdout
    return int(counted[1])


def test_native_fixtures_and_no_cost_without_them(tmp_path: Path) -> None:
    (tmp_path / "test_1_native.py").write_text(NATIVE)
    assert passed(tmp_path) == 4


def test_umbel_config_alone_is_the_current_apps(tmp_path: Path) -> None:
    (tmp_path / "test_alone.py").write_text(ALONE)
    assert passed(tmp_path) == 2


def test_celerys_fixtures_are_there_under_the_alias_and_cost_nothing_unused(tmp_path: Path) -> None:
    (tmp_path / "included.py").write_text(INCLUDED)
    (tmp_path / "test_1_celery.py").write_text(CELERYS)
    (tmp_path / "test_2_config.py").write_text(CONFIG_AND_TRAP)
    assert passed(tmp_path, alias=True) == 9


@pytest.mark.parametrize("way", ["celery.contrib.pytest", "umbel.celery.contrib.pytest", "install_as_celery"])
def test_the_plugin_comes_in_by_every_door_and_once(tmp_path: Path, way: str) -> None:
    (tmp_path / "test_app.py").write_text(
        "import pytest\n\n"
        "@pytest.mark.celery(task_default_queue='q')\n"
        "def test_app(celery_app):\n    assert celery_app.conf.task_default_queue == 'q'\n"
    )
    alone = way == "install_as_celery"
    conftest = "import umbel\numbel.install_as_celery()" if alone else f'pytest_plugins = ("{way}",)'
    (tmp_path / "conftest.py").write_text(conftest)
    assert passed(tmp_path, *([] if alone else ["-p", way]), alias=way == "celery.contrib.pytest") == 1
