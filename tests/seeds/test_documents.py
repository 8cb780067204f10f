"""Every block and every instruction of the first document, taken from it, executed, and its effect asserted.

``test_whole`` says which test is about which piece of the documents. They lie beside the repository; where they do not,
``test_library`` is the like of it, written anew.
"""

import re
from typing import Any

import pytest

from tests.seeds.conftest import Documents
from tests.seeds.pages import steps
from tests.seeds.project import Project
from tests.worker.fleet import until

ALL = """\
from proj.tasks import *
from proj.tasks.email import send_email
from proj.tasks.database import update_user_stats
"""


@pytest.fixture
def run(proj: Project) -> Any:
    """Executes a block beside the project's tasks, in one Python for all."""
    proj.console(ALL)
    return proj.console


# Setting up -----------------------------------------------------------------------------------------------------------


def test_the_packages_that_are_installed_are_those_it_names(documents: Documents, proj: Project) -> None:
    wanted = re.findall(r"[\w\[\]]+", documents.text("pip install").partition("install")[2])
    assert wanted == ["celery[redis]", "redis"]
    found = proj.type("python -c 'import celery, redis; print(celery.__file__, redis.__file__)'").split()
    assert ["/umbel/" in path for path in found] == [True, False]


def test_the_settings_module_configures_the_application(proj: Project, run: Any) -> None:
    block = "from proj import celery_app as app\nanswer = [app.main, app.conf.broker_url, app.conf.timezone]"
    assert run(block) == ["proj", proj.redis.url(0), "UTC"]
    value, id = run("result = fetch_data.delay('four'); answer = result.get(timeout=10), result.id")
    assert value == 4
    assert proj.server(lambda server: server.get(f"celery-task-meta-{id}"), db=1)


def test_a_route_reaches_its_queue_and_what_has_none_the_default(run: Any) -> None:
    assert run("answer = routed.delay().get(timeout=10)") == "email"
    assert run("from celery import current_app; answer = current_app.conf.task_default_queue") == "default"
    assert run("answer = send_email.delay('q@example.com', 'Queue', '').get(timeout=10)")["message_id"]


def test_workers_limit_the_rate_of_every_task(run: Any) -> None:
    assert run("answer = fetch_data.app.conf.task_default_rate_limit") == "10/s"
    took = """\
import time
from celery import group
before = time.monotonic()
group(upload_result.s(str(n), "") for n in range(16)).apply_async().get(timeout=30)
answer = time.monotonic() - before
"""
    assert run(took) > 0.4


# Tasks ----------------------------------------------------------------------------------------------------------------


def test_a_task_logs_what_it_does_and_returns(proj: Project, run: Any) -> None:
    assert run("answer = send_email.delay('a@b', 'Hello', '').get(timeout=10)") == {"message_id": "<a@b>"}
    proj.worker.says("Sending email to a@b")


def test_a_task_is_retried_by_itself_where_a_service_cannot_be_reached(proj: Project, run: Any) -> None:
    assert run("answer = send_email.delay('c@d', 'Unreachable', '').get(timeout=10)") == {"message_id": "<c@d>"}
    assert len(proj.noted("email", "Unreachable", "c@d")) == 2


def test_a_task_asks_for_its_retry_in_two_minutes(proj: Project, run: Any) -> None:
    id = run("result = send_email.delay('e@f', 'Limited', ''); answer = result.id")
    message = proj.parked(id)
    assert 110 < message.seconds("eta") <= 120
    assert message.headers["retries"] == 1
    assert run("answer = [result.state, repr(result.info)]") == ["RETRY", "RateLimitExceeded('not so fast')"]


def test_the_base_class_opens_a_session_once_and_closes_it_after_each_task(proj: Project, run: Any) -> None:
    run("for user in 1, 2: update_user_stats.delay(user).get(timeout=10)")
    proj.notes("closed", count=2)
    assert proj.noted("stats") == [["stats", 1], ["stats", 2]]
    opened, committed = (sorted(line[1] for line in proj.noted(word)) for word in ("opened", "committed"))
    assert opened == committed


# Calling --------------------------------------------------------------------------------------------------------------


def test_calls_with_and_without_options(documents: Documents, proj: Project, run: Any) -> None:
    dispatch, explicit, check = list(steps(documents.text('result = send_email.delay("user')).values())[1:]
    run(dispatch)
    until(lambda: run("answer = result.ready()"), what="the call is done")
    assert run.printed(check) == "{'message_id': '<user@example.com>'}\n"
    run(explicit)
    message = proj.parked(run("answer = result.id"))
    assert 20 < message.seconds("eta") <= 30
    assert 3500 < message.seconds("expires") <= 3600
    assert (message.queue.partition("\x06")[0], message.priority) == ("email", 5)
    assert run.printed(check) == ""


def test_a_task_that_expired_is_not_run(proj: Project, run: Any) -> None:
    block = "result = send_email.apply_async(['g@h', 'Late', ''], expires=-1); result.get(propagate=False, timeout=10)"
    assert run(f"{block}; answer = result.state") == "REVOKED"
    assert proj.noted("email", "Late") == []


def test_objects_are_refused_where_they_are_passed(run: Any) -> None:
    block = "try: send_email.delay(object(), '', '')\nexcept Exception as error: answer = type(error).__name__"
    assert run(block) == "EncodeError"


def test_a_value_that_cannot_be_stored_fails_its_task(run: Any) -> None:
    assert (
        run("result = unstorable.delay(); result.get(propagate=False, timeout=10); answer = result.state") == "FAILURE"
    )


def test_results_expire(proj: Project, run: Any) -> None:
    id = run("result = fetch_data.delay('x'); result.get(timeout=10); answer = result.id")
    assert 80_000 < proj.server(lambda server: server.ttl(f"celery-task-meta-{id}"), db=1) <= 86_400


def test_an_event_loop_inside_a_task(run: Any) -> None:
    assert run("answer = asynchronous.delay().get(timeout=10)") == 42


# Workflows ------------------------------------------------------------------------------------------------------------


def test_a_chain_and_a_chord(documents: Documents, proj: Project, run: Any) -> None:
    imports, chain, _, chord = steps(documents.text("pipeline = chain(")).values()
    run(f"{imports}url, destination, sources = 'file', 'home', ['a', 'bb', 'ccc']")
    assert run(f"{chain}answer = result.get(timeout=10)") == "file downloaded, processed, at home"
    run(chord)
    assert proj.notes("aggregated") == [["aggregated", 6]]


def test_what_heavy_tasks_have_for_themselves(documents: Documents, proj: Project, run: Any) -> None:
    """A queue, a worker of limited concurrency, and that their work survives it."""
    imports, _, group, _ = steps(documents.text("pipeline = chain(")).values()
    run(f"{imports}image_ids = [0, 1, 2]\n{group}")
    llen = re.search(r"redis-cli llen", documents.text("redis-cli llen"))
    assert llen is not None
    assert proj.type(f"{llen[0]} media").strip() == "3"

    command = "celery -A proj worker --loglevel=info --concurrency=1 -Q media"
    worker = proj.start(command).says("ready.")
    proj.notes("image", 0)
    assert proj.type(f"{llen[0]} media").strip() == "2"
    worker.kill()
    (proj.folder / "developed").touch()
    proj.start(command)
    assert run("answer = group_result.get(timeout=30)") == [0, 10, 20]
    assert sorted(line[1:] for line in proj.noted("image")) == [[0, "media"], [0, "media"], [1, "media"], [2, "media"]]


def test_a_task_whose_process_is_lost_runs_again_where_it_asks_for_that(run: Any) -> None:
    assert run("answer = die_once.delay().get(timeout=20)") == "alive"


# Beat, signals, tests -------------------------------------------------------------------------------------------------

YESTERDAY = """\
import asyncio
from proj import celery_app as app
from umbel.core.timetable import Tick

async def led_until_yesterday():
    async with app.schedules._open() as tables:
        lead = await tables.ticks.lead(tables.book, "ab" * 16, lease=10)
        before = app.clock.now() - 86_400
        ticks = [Tick(entry.name, before, before, runs=0) for entry in app.schedules.configured().values()]
        await tables.ticks.tick(tables.book, "ab" * 16, lead.epoch, ticks, deadline=app.clock.monotonic() + 5)
        await tables.ticks.resign(tables.book, "ab" * 16)

asyncio.run(led_until_yesterday())
"""
"""What a beat leaves behind that ended a day ago: every entry is due."""


def test_beat_publishes_the_schedule_once_however_many_there_are(documents: Documents, proj: Project, run: Any) -> None:
    run(YESTERDAY)
    first = proj.start(re.findall(r"\((celery [^)]*)\)", documents.text("(celery -A proj beat)"))[0])
    proj.notes("beat", count=3)
    second = proj.start(documents.text("beat --loglevel")).says("stands by")
    assert sorted(proj.noted("beat")) == [["beat", "cleanup"], ["beat", "heartbeat"], ["beat", "report", "summary"]]
    assert run("answer = [(item.name, item.runs) for item in app.schedules]") == [
        ["cleanup-expired-sessions", 1],
        ["daily-report", 1],
        ["heartbeat", 1],
    ]
    assert [first.stop(), second.stop()] == [0, 0]


def test_signals_tell_of_failures_successes_and_the_worker(proj: Project, run: Any) -> None:
    proj.worker.says("Worker is ready to accept tasks")
    run("send_email.delay('i@j', 'Hello', '').get(timeout=10)")
    proj.notes("metric", "celery.task.success", "proj.tasks.email.send_email")
    id = run("answer = send_email.delay('k@l', 'Impossible', '').id")
    proj.notes("sentry", "ValueError('no such person')", id)
    proj.worker.says(f"Task {id} failed: no such person")


def test_the_block_of_tests_passes(proj: Project) -> None:
    assert "1 passed" in proj.type("pytest -q test_email.py")
    assert proj.noted("email", "Test") == [["email", "Test", "test@example.com"]]
