"""Celery's ``contrib.testing``: apps, workers and waiting, where no pytest fixture is in between."""

import io
import threading
from typing import Any

import pytest

from umbel.celery import Celery, current_app, shared_task
from umbel.celery.contrib.testing.app import TestApp, set_trap, setup_default_app
from umbel.celery.contrib.testing.manager import Manager, Sentinel
from umbel.celery.contrib.testing.worker import start_worker, test_worker_stopped
from umbel.drivers.memory import discard, space
from umbel.testing.memory import memory_of_its_own


def test_an_app_for_tests_is_not_current_and_has_celerys_defaults_for_tests() -> None:
    app = TestApp(config={"task_default_queue": "q"}, broker="memory://other")
    assert current_app != app
    assert (app.main, app.conf.task_default_queue, app.conf.broker_url) == ("celery.tests", "q", "memory://other")
    assert (app.conf.result_backend, app.conf.accept_content) == ("memory://", ("json",))


def test_memory_of_its_own_is_nobody_elses_and_is_forgotten() -> None:
    with memory_of_its_own() as one, memory_of_its_own() as other:
        kept = space(one)
        assert kept is space(one)
        assert kept is not space(other)
    assert kept is not space(one)
    discard(one)


def test_what_a_test_makes_current_and_shares_is_forgotten_after_it() -> None:
    before = Celery("before")
    for answer in (1, 2):
        with setup_default_app(TestApp()) as _:
            app = Celery("inside")

            @shared_task(name="local")
            def local(answer: int = answer) -> int:
                return answer

            assert local.apply().get() == answer
            assert current_app == app
        assert current_app == before
    before.close()


def test_the_trap_is_gone_after_the_block() -> None:
    before = Celery("before")
    with set_trap(before), pytest.raises(RuntimeError, match="depends on current_app"):
        current_app.conf.timezone  # noqa: B018  to look is what is refused
    assert current_app == before
    before.close()


def test_a_manager_waits_for_a_worker() -> None:
    stopped: list[Any] = []
    may_end, heard = threading.Event(), io.StringIO()
    with memory_of_its_own() as url, setup_default_app(TestApp(broker=url, backend=url)):
        app = TestApp(broker=url, backend=url)
        manager = Manager(app, stdout=heard)

        @app.task(track_started=True)
        def held() -> str:
            may_end.wait(20)
            return "done"

        test_worker_stopped.connect(lambda worker, **more: stopped.append(worker), weak=False, dispatch_uid="t")
        with start_worker(app, perform_ping_check=True) as worker:
            call = held.delay()
            manager.assert_result_tasks_in_progress_or_completed([call])
            assert manager.missing_results([call]) == [call.id]
            with pytest.raises(AssertionError, match="Missing task results"):
                manager.join(call, timeout=0.01, max_retries=1)
            may_end.set()
            assert manager.join(call, timeout=20) == ["done"]
        test_worker_stopped.disconnect(dispatch_uid="t")
        with pytest.raises(NotImplementedError, match="remote control is not built yet"):
            manager.assert_accepted([call.id])
    assert f"Still waiting for 1/1: [{call.id}]" in heard.getvalue()
    assert stopped == [worker]
    assert worker.exitcode == 0


def test_waiting_ends_with_what_was_raised_last() -> None:
    manager = Manager(TestApp(), stderr=io.StringIO())
    tries: list[int] = []

    def never() -> None:
        tries.append(1)
        raise Sentinel(len(tries))

    with pytest.raises(Sentinel, match="3"):
        manager.wait_for(never, (Sentinel,), max_retries=2, interval_start=0, interval_step=0, emit_warning=True)
    manager.ensure_not_for_a_while(never, (Sentinel,), max_retries=1, interval_start=0)
    with pytest.raises(AssertionError, match="Should not have happened: that"):
        manager.ensure_not_for_a_while(lambda: 1, (Sentinel,), "that")


def test_a_worker_whose_task_runs_on_is_complained_about() -> None:
    may_end = threading.Event()
    with memory_of_its_own() as url, setup_default_app(TestApp(broker=url, backend=url)):
        app = TestApp(broker=url, backend=url)
        started = threading.Event()

        @app.task
        def held() -> None:
            started.set()
            may_end.wait(20)

        block = start_worker(app, shutdown_timeout=0.01, perform_ping_check=False)
        worker = block.__enter__()
        held.delay()
        assert started.wait(20)
        with pytest.raises(RuntimeError, match=r"has not stopped within 0\.01 s"):
            block.__exit__(None, None, None)
        may_end.set()
        assert worker._ended.wait(20)
