"""What readers have seen of tasks that have not ended: many at once, and no wait for one of them ends at once."""

import pytest

from umbel import GroupResult, Umbel
from umbel.core.record import Record
from umbel.exceptions import TimeoutError
from umbel.result.shown import Shown


def test_of_many_unfinished_tasks_all_are_known() -> None:
    shown = Shown()
    rows = [(f"t{n}", "STARTED", b"%d" % n) for n in range(30_000)]
    for row in rows:
        shown.note(*row)
    assert not any(map(shown.is_new, rows))
    assert shown.is_new(("t1", "RETRY", b"other"))


def test_the_oldest_are_forgotten_where_there_are_too_many() -> None:
    shown = Shown(limit=3)
    rows = [(f"t{n}", "STARTED", b"x") for n in range(4)]
    for row in (rows[0], rows[1], rows[2], rows[0], rows[3]):
        shown.note(*row)
    assert [shown.is_new(row) for row in rows] == [False, True, False, False]
    shown.note("t0", "SUCCESS", b"y")
    assert shown.is_new(rows[0])


def test_waiting_for_a_large_group_that_has_begun_reads_it_only_now_and_then() -> None:
    """20,000 of which none has ended: at each look all of them are read."""
    with Umbel("large", broker="memory://large", backend="memory://large", set_as_current=False) as app:
        assert app.store is not None
        ids = [f"t{n}" for n in range(20_000)]
        app.store.sync.write([Record("STARTED", task_id=id) for id in ids])
        looks = list[int]()
        group = GroupResult("g", [app.AsyncResult(id) for id in ids], app=app)
        fetch = group.fetch

        def counted(timeout: float | None = None) -> object:
            looks.append(1)
            if len(looks) > 5:
                raise AssertionError("it reads again and again")
            return fetch(timeout)

        group.fetch = counted  # type: ignore[method-assign, assignment]
        with pytest.raises(TimeoutError):
            group.get(timeout=1.2, interval=0.5)
