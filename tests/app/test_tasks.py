"""Tasks: how they are made, what their attributes fall back to, and how they run as plain calls."""

import inspect
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import Outbox
from umbel import Task, Umbel, current_task, shared_task
from umbel.app import ambient
from umbel.app.traits import Traits
from umbel.core.errors import DuplicateTaskNameWarning, ImproperlyConfigured, NotRegistered

# Making ---------------------------------------------------------------------------------------------------------------


def test_a_task_looks_like_its_function(app: Umbel) -> None:
    @app.task
    def add(x: int, y: int = 2) -> int:
        """Adds."""
        return x + y

    assert add.__name__ == "add"  # type: ignore[attr-defined]
    assert add.__doc__ == "Adds."
    assert add.__module__ == __name__
    assert str(inspect.signature(add)) == "(x: int, y: int = 2) -> int"
    assert add(1) == 3
    assert isinstance(add, Task)
    assert repr(add) == "<@task: tests.app.test_tasks.add>"


def test_a_bound_task_gets_itself(app: Umbel) -> None:
    @app.task(bind=True)
    def me(self: Any, x: int) -> tuple[str, int]:
        return self.name, x

    assert me(3) == ("tests.app.test_tasks.me", 3)


def test_a_base_class_gives_hooks_state_and_attributes(app: Umbel) -> None:
    class Counting(Task[..., Any]):
        made = 0
        max_retries = 7

        def __init__(self) -> None:
            type(self).made += 1

    @app.task(base=Counting)
    def one() -> None: ...

    @app.task(base=Counting, max_retries=None)
    def two() -> None: ...

    assert isinstance(one, Counting)
    assert Counting.made <= 2
    assert (one.max_retries, two.max_retries) == (7, None)
    one.delay()
    one.delay()
    assert type(one).made == 1


def test_the_apps_own_class_of_tasks(db_url: str) -> None:
    class Mine(Task[..., Any]):
        queue = "mine"

    app = Umbel("proj", broker=db_url, task_cls=Mine)
    app.outlet = outbox = Outbox()

    @app.task
    def job() -> None: ...

    job.delay()
    assert isinstance(job, Mine)
    assert app.Task is Mine
    assert outbox.last.queue == "mine"


@pytest.mark.parametrize("how", ["class", "instance"])
def test_a_task_made_by_class(app: Umbel, outbox: Outbox, how: str) -> None:
    class Add(Task[..., Any]):
        rate_limit = "5/s"

        def run(self, x: int, y: int) -> int:
            return x + y

    add = app.register_task(Add if how == "class" else Add(), priority=4)
    assert add.name == "tests.app.test_tasks.Add"
    assert app.tasks[add.name] is add
    assert add(1, 2) == 3
    add.delay(1, 2)
    assert outbox.last.message.properties.priority == 4
    with pytest.raises(TypeError, match=r"Add\(x: int, y: int\)"):
        add.delay(1)


def test_options_of_a_later_release_are_refused(app: Umbel) -> None:
    with pytest.raises(ImproperlyConfigured, match="'filter' is not built yet"):
        app.task(filter=print)(print)


@pytest.mark.parametrize("option", ["link", "link_error"])
def test_callbacks_of_a_task_are_refused_with_a_word_about_calls(app: Umbel, option: str) -> None:
    options: dict[str, Any] = {"name": "t", option: [app.signature("other")]}
    with pytest.raises(ImproperlyConfigured, match=rf"{option}' is an option of calls .* apply_async\({option}="):
        app.task(**options)(print)


def test_something_else_than_a_function_is_refused(app: Umbel) -> None:
    with pytest.raises(TypeError, match="of a function, not of 'queue'"):
        app.task("queue")  # type: ignore[call-overload]


def test_two_functions_of_one_name_are_reported_and_the_first_is_kept(app: Umbel) -> None:
    @app.task(name="same")
    def first() -> None: ...

    with pytest.warns(DuplicateTaskNameWarning, match="two tasks are named 'same'"):

        @app.task(name="same")
        def second() -> None: ...

    assert second is first


def test_one_function_met_twice_is_no_duplicate(app: Umbel) -> None:
    def job() -> None: ...

    assert app.task(job) is app.task(job)


# Attributes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "setting", "value"),
    [
        ("acks_late", "task_acks_late", False),
        ("acks_on_failure", "task_acks_on_failure", True),
        ("acks_on_failure_or_timeout", "task_acks_on_failure_or_timeout", False),
        ("acks_on_timeout", "task_acks_on_timeout", True),
        ("ignore_result", "task_ignore_result", True),
        ("priority", "task_default_priority", 3),
        ("rate_limit", "task_default_rate_limit", "10/s"),
        ("reject_on_worker_lost", "task_reject_on_worker_lost", False),
        ("serializer", "task_serializer", "yaml"),
        ("store_eager_result", "task_store_eager_result", True),
        ("store_errors_even_if_ignored", "task_store_errors_even_if_ignored", True),
        ("track_started", "task_track_started", True),
    ],
)
def test_attributes_fall_back_to_settings(app: Umbel, attribute: str, setting: str, value: object) -> None:
    class NoneSaid(Task[..., Any]):
        pass

    setattr(NoneSaid, attribute, None)
    plain, own = app.task(name="plain")(print), app.task(print, **{"name": "own", attribute: value})
    assert getattr(plain, attribute) == app.conf[setting]
    app.conf[setting] = value
    assert getattr(plain, attribute) == value
    del app.conf[setting]
    assert getattr(own, attribute) == value


def test_none_in_a_class_means_not_said(app: Umbel) -> None:
    class NoneSaid(Task[..., Any]):
        acks_late = None  # type: ignore[assignment]

    @app.task(base=NoneSaid)
    def job() -> None: ...

    assert job.acks_late is True


def test_annotations_set_attributes_and_wrap_methods(app: Umbel) -> None:
    def twice(run: Callable[..., int]) -> Callable[..., int]:
        return lambda *args: 2 * run(*args)

    class Limits:
        def annotate(self, task: Task[..., Any]) -> dict[str, Any]:
            return {"time_limit": 9} if task.name.endswith("add") else {}

    app.conf.task_annotations = (
        {"*": {"rate_limit": "1/s"}, "tasks.add": {"rate_limit": "2/s", "@run": twice}},
        Limits,
    )

    @app.task(name="tasks.add")
    def add(x: int) -> int:
        return x

    app.finalize()

    @app.task(name="tasks.late")
    def late() -> None: ...

    assert (add.rate_limit, late.rate_limit) == ("2/s", "1/s")
    assert (add.time_limit, late.time_limit) == (9, None)
    assert add(3) == 6


# Running as a plain call ----------------------------------------------------------------------------------------------


def test_a_plain_call_has_a_request_of_its_own(app: Umbel) -> None:
    @app.task(bind=True)
    def inner(self: Any, x: int) -> Any:
        return self.request.called_directly, self.request.args, self.request.id, current_task.name

    @app.task(bind=True)
    def outer(self: Any) -> Any:
        found = inner(5)
        return found, self.request.args, app.current_task

    assert inner(5) == (True, (5,), None, inner.name)
    assert outer() == ((True, (5,), None, inner.name), (), outer)
    assert app.current_task is None
    assert not current_task


def test_an_overridden_call_is_honoured(app: Umbel) -> None:
    class Wrapped(Task[..., Any]):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return "wrapped", super().__call__(*args, **kwargs)

    @app.task(base=Wrapped, bind=True)
    def job(self: Any, x: int) -> Any:
        return x, self.request.is_eager

    assert job(1) == ("wrapped", (1, False))
    assert job.apply((1,)).get() == ("wrapped", (1, True))


def test_a_task_without_a_body_says_so() -> None:
    with pytest.raises(NotImplementedError, match="run"):
        Task[..., Any]()()


# Registry -------------------------------------------------------------------------------------------------------------


def test_looking_at_the_tasks_completes_them_once(app: Umbel) -> None:
    finalized: list[object] = []
    app.on_after_finalize.connect(lambda sender, **_: finalized.append(sender), weak=False)
    app.tasks  # noqa: B018
    app.tasks  # noqa: B018
    assert finalized == [app]
    with pytest.raises(NotRegistered, match="no task 'missing' here"):
        app.tasks["missing"]


def test_completing_may_be_left_to_the_caller(db_url: str) -> None:
    app = Umbel("proj", broker=db_url, autofinalize=False)
    job = app.task(print, name="job")
    with pytest.raises(RuntimeError, match=r"call app\.finalize\(\)"):
        app.tasks  # noqa: B018
    with pytest.raises(RuntimeError):
        job.delay()
    app.finalize()
    assert app.tasks["job"] is job


def test_annotations_may_look_at_the_tasks(app: Umbel) -> None:
    class Curious:
        def annotate(self, task: Task[..., Any]) -> dict[str, Any]:
            return {"priority": int("job" in app.tasks.regular())}

    app.conf.task_annotations = Curious()
    job = app.task(print, name="job")
    assert app.tasks["job"].priority == job.priority == 1


def test_a_task_pickles_by_name(app: Umbel) -> None:
    job = app.task(name="job")(print)
    assert pickle.loads(pickle.dumps(job)) is job


def test_finalizing_from_many_threads_makes_each_shared_task_once(db_url: str) -> None:
    made: list[int] = []
    app = Umbel("proj", broker=db_url, set_as_current=False)
    ambient.share(lambda found: made.append(1) if found is app else None)
    start = threading.Barrier(8)

    def look() -> None:
        start.wait()
        app.tasks  # noqa: B018

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


# Shared tasks ---------------------------------------------------------------------------------------------------------


def test_one_shared_task_serves_two_apps(app: Umbel, outbox: Outbox, db_url: str) -> None:
    @shared_task(bind=True, name="lib.job")
    def job(self: Any, x: int) -> Any:
        return self.app.main, x

    other = Umbel("other", broker=db_url, set_as_current=False)
    other.outlet = elsewhere = Outbox()
    assert app.tasks["lib.job"] is not other.tasks["lib.job"]
    job.delay(1)
    assert job(1) == ("proj", 1)
    with other.using():
        job.delay(2)
        assert job(2) == ("other", 2)
    other.set_current()
    job.delay(3)
    assert len(outbox.messages) == 1
    assert len(elsewhere.messages) == 2


def test_a_shared_task_joins_apps_that_are_complete_already(app: Umbel) -> None:
    app.finalize()

    @shared_task
    def late() -> int:
        return 5

    assert app.tasks["tests.app.test_tasks.late"]() == 5
    assert isinstance(late, Task)
    assert late == app.tasks["tests.app.test_tasks.late"]
    late.priority = 3
    assert app.tasks["tests.app.test_tasks.late"].priority == 3


def test_a_task_of_one_app_may_be_shared_with_all(app: Umbel, db_url: str) -> None:
    @app.task(shared=True, name="both")
    def both() -> None: ...

    other = Umbel("other", broker=db_url, set_as_current=False)
    assert other.tasks["both"].app is other
    assert app.tasks["both"] is both


def test_without_an_app_a_shared_task_says_what_is_missing(folder: Path) -> None:
    code = "from umbel import shared_task\n@shared_task\ndef job(): ...\nprint(job)\njob.delay()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "there is no app yet: make one, Umbel('name')" in found.stderr


def test_a_closed_app_is_not_current(db_url: str) -> None:
    with Umbel("brief", broker=db_url) as app:
        assert ambient.get_current_app() is app
    with pytest.raises(ImproperlyConfigured):
        ambient.get_current_app()


# Loading --------------------------------------------------------------------------------------------------------------


def test_loading_imports_what_has_tasks(folder: Path, module: Callable[..., Path], app: Umbel) -> None:
    source = "from umbel import shared_task\n@shared_task\ndef job(): ...\n"
    for name in ("pkg_a.__init__", "pkg_b.__init__", "pkg_c.__init__"):
        module(name, "")
    for name in ("pkg_a.tasks", "pkg_b.jobs", "one_module", "two_module"):
        module(name, source)
    app.conf.imports, app.conf.include = ["one_module"], ["two_module"]
    app.autodiscover_tasks(["pkg_a", "pkg_c"])
    app.autodiscover_tasks(lambda: ["pkg_b"], related_name="jobs")
    assert "one_module" not in sys.modules
    app.load()
    app.load()
    names = {name for name in app.tasks if name.endswith(".job")}
    assert names == {"pkg_a.tasks.job", "pkg_b.jobs.job", "one_module.job", "two_module.job"}


def test_an_error_inside_a_task_module_is_not_hidden(folder: Path, module: Callable[..., Path], app: Umbel) -> None:
    module("broken.__init__", "")
    module("broken.tasks", "import no_such_module")
    app.autodiscover_tasks(["broken"])
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        app.load()
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        app.autodiscover_tasks(["no_such_package"], force=True)


def test_autodiscovery_needs_packages(app: Umbel) -> None:
    with pytest.raises(ImproperlyConfigured, match="needs the packages"):
        app.autodiscover_tasks()


@pytest.mark.parametrize("of_task", [True, False])
def test_a_call_may_say_other_than_its_task_whether_it_wants_its_result(app: Umbel, of_task: bool) -> None:
    traits = Traits(app.task(lambda: 1, name="job", ignore_result=of_task, store_errors_even_if_ignored=True))
    stored = [traits.policy_for(said).store_result for said in (None, True, False)]
    assert stored == [not of_task, False, True]
    assert traits.policy_for(True).store_errors
