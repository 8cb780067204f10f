"""Handles on several results: read together, awaited together, and what they say on the way."""

import asyncio
import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from umbel import AsyncResult, GroupResult, ResultSet, Umbel, states
from umbel.app import request
from umbel.core.errors import ImproperlyConfigured, TimeoutError
from umbel.core.message import Headers, Message, Properties
from umbel.core.record import Record
from umbel.result.base import CanSaveGroups

BOOM = {"exc_type": "KeyError", "exc_message": ["boom"], "exc_module": "builtins"}


@pytest.fixture
def live(db_url: str) -> Iterator[Umbel]:
    with Umbel("live", broker=db_url) as app:
        yield app


def end(app: Umbel, id: str, result: Any = None, status: str = states.SUCCESS) -> None:
    assert app.store is not None
    app.store.sync.write([Record(status, result, task_id=id)])


def made(app: Umbel, *ids: str, parent: Any = None) -> GroupResult:
    return app.GroupResult("g", [app.AsyncResult(id) for id in ids], parent=parent)


def test_values_come_in_order_and_nested_groups_are_lists(live: Umbel) -> None:
    for id in "abc":
        end(live, id, id.upper())
    whole = live.GroupResult("g", [live.AsyncResult("a"), made(live, "c", "b")])
    assert whole.get() == ["A", ["C", "B"]]
    assert whole.join() == whole.join_native() == ["A", ["C", "B"]]
    assert asyncio.run(whole.aget()) == ["A", ["C", "B"]]
    assert (whole.ready(), whole.successful(), whole.failed(), whole.waiting()) == (True, True, False, False)
    assert whole.completed_count() == 3


def test_a_group_of_none_is_ready(live: Umbel) -> None:
    assert made(live).get() == []
    assert (made(live).ready(), made(live).completed_count()) == (True, 0)


def test_what_has_not_ended_is_waited_for(live: Umbel) -> None:
    end(live, "a", 1)
    several = made(live, "a", "b")
    assert (several.ready(), several.waiting(), several.completed_count()) == (False, True, 1)
    with pytest.raises(TimeoutError, match=r"1 of 2 tasks have no result within 0\.01 s"):
        several.get(timeout=0.01)
    calls: list[int] = []

    def ends() -> None:
        calls.append(1)
        end(live, "b", 2)

    assert several.get(timeout=20, interval=0.01, on_interval=ends) == [1, 2]
    assert calls


def test_the_first_failure_is_raised_though_others_still_run(live: Umbel) -> None:
    end(live, "b", BOOM, states.FAILURE)
    several = made(live, "a", "b")
    with pytest.raises(KeyError, match="boom"):
        several.get(timeout=20)
    assert several.failed()
    end(live, "a", 1)
    values = several.get(propagate=False)
    assert values[0] == 1
    assert isinstance(values[1], KeyError)
    with pytest.raises(KeyError, match="boom"):
        several.maybe_throw()


def test_a_group_hears_of_the_failure_before_it(live: Umbel) -> None:
    end(live, "before", BOOM, states.FAILURE)
    with pytest.raises(KeyError, match="boom"):
        made(live, "a", parent=live.AsyncResult("before")).get(timeout=20)


def test_values_as_they_come(live: Umbel) -> None:
    end(live, "b", "first")
    several = made(live, "a", "b")

    async def main() -> list[Any]:
        found = []
        async for value in several:
            found.append(value)
            end(live, "a", "second")
        return found

    assert asyncio.run(main()) == ["first", "second"]
    again = made(live, "a", "b")
    assert {id: record["result"] for id, record in again.iter_native()} == {"a": "second", "b": "first"}
    assert sorted(again.iterate()) == ["first", "second"]


def test_values_come_as_they_are_made_wherever_they_stand_in_a_large_group(live: Umbel) -> None:
    several = made(live, *(f"t{n}" for n in range(270)))

    async def main() -> list[Any]:
        found = []
        end(live, "t269", 269)
        async for value in several:
            found.append(value)
            if (left := 269 - len(found)) >= 0:
                end(live, f"t{left}", left)
        return found

    assert asyncio.run(main()) == list(range(269, -1, -1))


def test_callbacks(live: Umbel) -> None:
    several = made(live, "a", "b")
    told: list[Any] = []
    several.then(told.append)
    end(live, "a", 1)
    end(live, "b", 2)
    seen: list[Any] = []
    assert several.get(callback=lambda id, value: seen.append((id, value))) == []
    assert seen == [("a", 1), ("b", 2)]
    assert told == [several]


def test_a_set_grows_and_shrinks(live: Umbel) -> None:
    several: ResultSet = live.ResultSet([live.AsyncResult("a")])
    several.add(live.AsyncResult("a"))
    several.update([live.AsyncResult("b"), live.AsyncResult("c")])
    several.discard(live.AsyncResult("z"))
    several.remove("b")
    with pytest.raises(KeyError):
        several.remove("b")
    assert [str(one) for one in several] == ["a", "c"]
    assert (len(several), several[1].id) == (2, "c")
    several.clear()
    assert len(several) == 0


def test_forget_deletes_all(live: Umbel) -> None:
    end(live, "a", 1)
    end(live, "before", 0)
    several = made(live, "a", parent=live.AsyncResult("before"))
    assert several.get() == [1]
    several.forget()
    assert [one.state for one in (several[0], several.parent)] == ["PENDING", "PENDING"]


def test_coroutines_forget_all_as_well(live: Umbel) -> None:
    end(live, "a", 1)
    end(live, "before", 0)
    several = made(live, "a", parent=live.AsyncResult("before"))
    asyncio.run(several.aforget())
    assert [one.state for one in (several[0], several.parent)] == ["PENDING", "PENDING"]


def test_handles_copy_pickle_and_compare(live: Umbel) -> None:
    several = made(live, "a", "b", parent=live.AsyncResult("before"))
    assert pickle.loads(pickle.dumps(several)) == several == copy.copy(several) == "g"
    assert several.as_list() == ["g", "a", "b", "before"]
    assert several.as_tuple() == (("g", (("before", None), None)), [(("a", None), None), (("b", None), None)])
    assert isinstance(live.result_from_tuple(several.as_tuple()).parent, AsyncResult)


def test_a_saved_group_is_restored_with_what_ran_before_it(live: Umbel) -> None:
    several = live.GroupResult("g", [live.AsyncResult("a"), made(live, "b")], parent=live.AsyncResult("before"))
    assert live.GroupResult.restore("g") is None
    assert several.save() is several
    end(live, "a", 1)
    end(live, "b", 2)
    end(live, "before")
    found = live.GroupResult.restore("g")
    assert found is not None
    assert (found, found.parent, found.app, found.get()) == (several, several.parent, live, [1, [2]])
    found.delete()
    assert live.GroupResult.restore("g") is None
    assert several.get() == [1, [2]]


def test_groups_are_saved_and_restored_by_coroutines(live: Umbel) -> None:
    async def main() -> None:
        await made(live, "a").asave()
        assert await GroupResult.arestore("g", app=live) == made(live, "a")
        await made(live, "a").adelete()
        assert await live.GroupResult.arestore("g") is None

    asyncio.run(main())


def test_handles_of_an_app_are_group_results(live: Umbel) -> None:
    assert isinstance(made(live, "a"), GroupResult)
    assert type(pickle.loads(pickle.dumps(made(live, "a")))) is GroupResult


def test_without_a_result_store_groups_are_neither_saved_nor_restored() -> None:
    with Umbel("none", broker="memory://", backend="disabled://") as app:
        with pytest.raises(NotImplementedError, match="No result backend"):
            app.GroupResult("g").save()
        with pytest.raises(NotImplementedError, match="No result backend"):
            app.GroupResult.restore("g")


def test_what_is_no_saved_group_is_said(live: Umbel) -> None:
    assert isinstance(live.store, CanSaveGroups)
    live.store.groups.save("g", ["odd"])
    with pytest.raises(ImproperlyConfigured, match="not the tuple of a result"):
        live.GroupResult.restore("g")


def test_a_task_does_not_wait_for_a_group(live: Umbel) -> None:
    token = request.push(request.Context(Message(Headers("t", "id"), Properties(), b""), called_directly=False))
    try:
        with pytest.raises(RuntimeError, match=r"Never call result\.get"):
            made(live, "a").get()
    finally:
        request.pop(token)


def test_groups_of_long_chains_are_saved(live: Umbel) -> None:
    one: Any = None
    for number in range(600):
        one = live.AsyncResult(f"step-{number}", parent=one)
    live.GroupResult("long", [one]).save()
    found = live.GroupResult.restore("long")
    assert found is not None
    assert found.as_list()[:2] == ["long", "step-599"]
    assert found[0].as_list()[:50] == one.as_list()[:50]
