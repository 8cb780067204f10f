"""Expiry, revocation, rate limits, retries, unknown tasks, bad content: what a worker does with each."""

from collections.abc import Callable

import pytest

from tests.worker.fleet import Farm, Line, until
from umbel.core.errors import NotRegistered, TaskRevokedError
from umbel.runtime.clock import SYSTEM


def test_what_expired_while_it_waited_never_runs(farm: Farm) -> None:
    result = farm.send("quick", "late", expires=0.05)
    expired = SYSTEM.now() + 0.1
    until(lambda: SYSTEM.now() > expired)
    farm.worker("-c", "1")
    with pytest.raises(TaskRevokedError, match="expired"):
        result.get(timeout=20)
    assert result.state == "REVOKED"
    assert not farm.lines("start", "late")


def test_what_was_revoked_while_it_waited_never_runs(farm: Farm) -> None:
    result = farm.send("quick", "revoked")
    result.revoke()
    farm.worker("-c", "1")
    with pytest.raises(TaskRevokedError):
        result.get(timeout=20)
    assert not farm.lines("start", "revoked")


def test_a_countdown_waits_in_the_broker(farm: Farm) -> None:
    farm.worker("-c", "1")
    later = farm.send("quick", "later", countdown=0.5)
    now = farm.send("quick", "now")
    assert now.get(timeout=20) == "now"
    assert later.get(timeout=20) == "later"
    assert farm.lines("start", "later")[0].at - farm.lines("start", "now")[0].at > 0.3


def test_a_rate_limit_holds_over_processes_and_delays_nothing_else(farm: Farm) -> None:
    farm.worker("-c", "2")
    with farm._app.bulk():
        for i in range(30):
            farm.send("limited", i)
        others = [farm.send("quick", f"other-{i}") for i in range(20)]
    for other in others:
        other.get(timeout=20)
    last_other = max(farm.lines("start", f"other-{i}")[0].at for i in range(20))

    def all_started() -> list[list[Line]]:
        found = [farm.lines("start", f"limited-{i}") for i in range(30)]
        return found if all(found) else []

    starts = until(all_started)
    at = sorted(line.at for lines in starts for line in lines)
    assert len(at) == 30
    for first, eleventh in zip(at, at[11:], strict=False):
        assert eleventh - first > 0.9, "more than 10 ± 1 starts in a second"
    assert last_other - at[0] < 1.5, "the others had to wait for the limited ones"


def test_retries_keep_the_id_and_end(farm: Farm) -> None:
    farm.worker("-c", "1")
    result = farm.send("flaky", "f", 2)
    assert result.get(timeout=20) == 2
    assert [line.words[2] for line in farm.lines("start", "f")] == ["0", "1", "2"]
    given_up = farm.send("flaky", "g", 9)
    with pytest.raises(ValueError, match="g"):
        given_up.get(timeout=20)
    assert len(farm.lines("start", "g")) == 3


def test_calls_from_inside_a_task(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    assert farm.send("calls", "c").get(timeout=20) == "c"
    assert farm.send("calls_async", "d").get(timeout=20) == "d"
    for key in ("c-child", "c-bulk-0", "c-bulk-1", "c-bulk-2", "d-child"):
        farm.started(key)
    assert worker.stop() == 0


def test_a_state_of_ones_own_is_seen_while_the_task_runs(farm: Farm) -> None:
    farm.worker("-c", "1")
    result = farm.send("shows_state", str(farm.gate()))
    farm.started("shows_state")
    assert (result.state, result.info) == ("PROGRESS", {"done": 1})
    farm.gate().touch()
    assert result.get(timeout=20) == "done"


def test_async_tasks_run_to_their_end(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    result = farm.send("hold_async", "a", str(farm.gate()))
    farm.started("a")
    farm.gate().touch()
    assert result.get(timeout=20) == "a"
    assert worker.stop() == 0


def test_failures_of_every_kind_leave_the_lane_alive(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    with pytest.raises(ValueError, match="boom"):
        farm.send("fail", "boom").get(timeout=20)
    with pytest.raises(SystemExit):
        farm.send("fail_exit").get(timeout=20)
    with pytest.raises(Exception, match="set"):
        farm.send("returns_a_set").get(timeout=20)
    farm.send("ignored")
    farm.send("rejected")
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    text = worker.text
    assert "raised unexpected: ValueError('boom')" in text
    assert "execution.py" not in text, "a traceback begins at the user's line"
    assert worker.stop() == 0


def test_an_unknown_task_goes_back_until_somebody_knows_it(farm_with: Callable[..., Farm]) -> None:
    farm = farm_with(task_unknown_grace=1.5)
    worker = farm.worker("-c", "1")
    result = farm._app.send_task("nobody.knows", (1,))
    with pytest.raises(NotRegistered):
        result.get(timeout=30)
    assert worker.text.count("'nobody.knows'") == 1, "said once, not at every look"
    assert farm.send("add", 2, 2).get(timeout=20) == 4


def test_one_shared_task_serves_two_apps() -> None:
    from umbel import Umbel, shared_task  # noqa: PLC0415

    one, two = Umbel("one", broker="memory://"), Umbel("two", broker="memory://")

    @shared_task(name="shared.double")
    def double(x: int) -> int:
        return 2 * x

    assert one.tasks["shared.double"] is not two.tasks["shared.double"]
    assert one.tasks["shared.double"].app is one
    assert two.tasks["shared.double"](4) == 8


def test_a_running_task_is_ended_when_it_is_revoked_with_terminate(farm: Farm) -> None:
    worker = farm.worker("-c", "1")
    result = farm.send("endless_sleep", "running")
    farm.started("running")
    result.revoke(terminate=True)
    with pytest.raises(TaskRevokedError, match="terminated"):
        result.get(timeout=20)
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    assert len(farm.lines("start", "running")) == 1
    assert worker.stop() == 0
