"""``app.workflows`` without workers: what is kept when a canvas is called, how it is found, what is said of it."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.app.conftest import TurnedClock
from umbel import Task, Umbel, chain, chord, group, states
from umbel.core.errors import ChordError
from umbel.core.joining import Standing
from umbel.core.record import Record
from umbel.core.revoking import by_root
from umbel.core.tree import Tree


@pytest.fixture
def app(db_url: str) -> Iterator[Umbel]:
    with Umbel("live", broker=db_url) as made:
        made.task(add, name="t.add")
        yield made


def add(*values: int) -> int:
    return sum(values)


def sig(app: Umbel, *args: Any, **options: Any) -> Any:
    return app.signature("t.add", args, options)


def end(app: Umbel, id: str | None, result: Any = None, status: str = states.SUCCESS, **fields: Any) -> None:
    assert app.store is not None
    app.store.sync.write([Record(status, result, task_id=str(id), **fields)])


def phases(tree: Tree) -> list[str]:
    return [node.phase for node in tree.tasks()]


def a_chord(app: Umbel) -> Any:
    return chord([sig(app, 1), chain(sig(app, 2), sig(app, 3))], sig(app), app=app)


def test_a_workflow_is_found_from_each_of_its_tasks(app: Umbel) -> None:
    result = chain(sig(app, 1), a_chord(app), app=app).delay()
    tree = result.tree()
    assert phases(tree) == ["sent", *["not called"] * 4]
    ids = [str(node.id) for node in tree.root.walk() if node.id]
    assert len(ids) == 6
    assert {app.workflows.show(id).id for id in ids} == {result.id}
    assert asyncio.run(app.workflows.ashow(ids[0])) == asyncio.run(result.atree()) == tree


def test_a_chain_may_have_more_links_than_anything_may_be_nested_deep(app: Umbel) -> None:
    result = chain([sig(app, n) for n in range(1500)], app=app).delay()
    ids = result.as_list()
    assert len(set(ids)) == 1500
    assert app.result_from_tuple(result.as_tuple()).as_list() == ids
    assert [(one.id, one.size) for one in app.workflows] == [(result.id, 1500)]
    result.forget()


def test_groups_are_found_by_their_own_id_and_by_their_members(app: Umbel) -> None:
    result = group([sig(app, n) for n in range(3)], app=app).delay()
    assert result.tree() == asyncio.run(result.atree()) == app.workflows.show(result[1].id)
    assert result.tree().counts() == {"sent": 3}


def test_ids_that_were_given_before_find_it_too(app: Umbel) -> None:
    body = sig(app)
    handle = body.freeze()
    result = chord([sig(app, 1).set(task_id="mine"), sig(app, 2)], body, app=app).delay()
    assert result.id == handle.id
    assert {app.workflows.show(id).id for id in ("mine", handle.id, str(result.parent[1].id))} == {handle.id}
    named = chain(sig(app, 1), sig(app, 2), app=app).apply_async(task_id="report-7")
    assert named.id == "report-7"
    assert app.workflows.show(named.parent.id).id == app.workflows.show("report-7").id == "report-7"
    whole = group([sig(app, 1), sig(app, 2)], app=app)
    frozen = whole.freeze()
    assert whole.delay().id == frozen.id
    member: Any = frozen.children[0] if frozen.children else None
    assert app.workflows.show(member.id).id == frozen.id


def test_what_failed_and_what_never_ran_because_of_it_are_told_apart(app: Umbel) -> None:
    result = chain(sig(app, 1), sig(app, 2), sig(app, 3), app=app).delay()
    first, second = result.parent.parent.id, result.parent.id
    said = {"exc_type": "KeyError", "exc_message": ["no\nluck"], "exc_module": "builtins"}
    end(app, first)
    end(app, second, said, states.FAILURE, date_done="2026-01-31T08:00:00+00:00")
    end(app, result.id, said, states.FAILURE)
    tree = result.tree()
    assert (tree.phase, phases(tree)) == ("failed", ["succeeded", "failed", "never ran"])
    node = tree.root.members[1]
    assert (node.error, node.done, node.call) == ("KeyError: no luck", "2026-01-31T08:00:00+00:00", "(2)")


@pytest.mark.parametrize(
    ("status", "phase"), [("STARTED", "running"), ("MIXING", "running"), ("RETRY", "sent"), ("REVOKED", "revoked")]
)
def test_states_on_the_way_are_told(app: Umbel, status: str, phase: str) -> None:
    result = chain(sig(app, 1), sig(app, 2), app=app).delay()
    end(app, result.parent.id, None, status)
    assert phases(result.tree()) == [phase, "not called"]


def test_a_task_whose_result_is_not_stored_has_returned_if_what_follows_it_has(app: Umbel) -> None:
    result = chain(sig(app, 1), sig(app, 2), sig(app, 3), app=app).delay()
    end(app, result.id, 3)
    assert phases(result.tree()) == ["succeeded"] * 3


def test_the_list_has_the_newest_first_and_says_how_far_each_is(app: Umbel) -> None:
    assert list(app.workflows) == app.workflows.latest() == []
    done = chain(sig(app, 1), sig(app, 2), app=app).delay()
    failed = a_chord(app).delay()
    large = group([sig(app, n) for n in range(300)], app=app).delay()
    end(app, done.id)
    end(app, failed.id, {"exc_type": "KeyError", "exc_message": []}, states.FAILURE)
    shown = [(one.id, one.name, one.size, one.phase) for one in app.workflows]
    assert shown == [
        (large.id, "group(300 × add)", 300, "running"),
        (failed.id, "chord(add, add | add, add)", 4, "failed"),
        (done.id, "add | add", 2, "succeeded"),
    ]
    assert [one.id for one in app.workflows.latest(1)] == [large.id]
    assert [one.id for one in asyncio.run(app.workflows.alist(2))] == [large.id, failed.id]
    for leaf in large.leaves():
        end(app, leaf.id)
    assert app.workflows.latest(1)[0].phase == "succeeded"


def test_a_plain_call_is_no_workflow_and_has_a_tree_all_the_same(app: Umbel) -> None:
    result = sig(app, 1).delay()
    assert list(app.workflows) == []
    with pytest.raises(KeyError, match="nothing is known"):
        result.tree()
    child = app.AsyncResult("child")
    end(app, child.id, 1, parent_id=result.id)
    end(app, result.id, 1, children=[child.as_tuple(), [["g", None], [[["m", [["before", None], None]], None]]]])
    tree = app.workflows.show(child.id)
    assert (tree.id, tree.at, phases(tree)) == (result.id, None, ["succeeded", "succeeded", "sent", "sent"])
    assert [one.kind for one in tree.root.then] == ["task", "group"]
    assert "kept no structure" in tree.notes[0]
    assert phases(group([sig(app, 1)], app=app).delay().tree()) == ["sent"]


def test_a_result_that_another_system_sent_is_shown_as_far_as_its_handle_and_the_records_tell(app: Umbel) -> None:
    end(app, "a", 1)
    result = app.AsyncResult("b", parent=app.AsyncResult("a"))
    tree = result.tree()
    assert (tree.root.kind, phases(tree)) == ("chain", ["succeeded", "sent"])


def test_nothing_is_kept_where_that_is_not_wanted(db_url: str) -> None:
    with Umbel("live", broker=db_url, result_keep_workflows=False) as app:
        app.task(add, name="t.add")
        result = chain(sig(app, 1), sig(app, 2), app=app).delay()
        assert list(app.workflows) == []
        with pytest.raises(KeyError, match="nothing is known"):
            app.workflows.show(result.id)


def test_without_a_result_store_workflows_say_so() -> None:
    with Umbel("bare", broker="memory://bare", result_backend="disabled") as app:
        with pytest.raises(NotImplementedError, match="result_backend"):
            list(app.workflows)
        with pytest.raises(NotImplementedError, match="result_backend"):
            app.workflows.show("a")


def test_arguments_that_cannot_be_kept_leave_a_workflow_that_can_be_looked_at(app: Umbel) -> None:
    whole = chain(sig(app, {1, 2}), sig(app, 2), app=app)
    app.conf.update(task_serializer="pickle", accept_content=["pickle", "json"])
    result = whole.delay()
    tree = result.tree()
    assert phases(tree) == ["sent", "not called"]
    assert "arguments are not kept" in tree.notes[0]
    end(app, result.parent.id, {"exc_type": "KeyError", "exc_message": []}, states.FAILURE)
    done = app.workflows.retry(result.id)
    assert (done.again, done.hopeless) == ([], [result.parent.id])


def test_a_large_workflow_is_read_in_a_few_round_trips(app: Umbel) -> None:
    result = (group([chain(sig(app, n), sig(app, n), app=app) for n in range(500)], app=app) | sig(app)).delay()
    store: Any = app.store
    reads: list[int] = []
    read = store.read

    async def counted(ids: Sequence[str]) -> Any:
        reads.append(len(ids))
        return await read(ids)

    store.read = counted
    try:
        assert asyncio.run(result.atree()).counts() == {"sent": 500, "not called": 501}
    finally:
        del store.read
    assert reads == [3, 1001]


def test_revoking_marks_what_has_not_ended_and_what_it_will_call(app: Umbel) -> None:
    result = chain(sig(app, 1), a_chord(app), app=app).delay()
    ids = [str(node.id) for node in result.tree().tasks()]
    end(app, ids[0])
    done = app.workflows.revoke(result.id, terminate=True, signal="INT")
    assert done.revoked == ids[1:]
    assert marks(app) == dict.fromkeys((*ids[1:], by_root(ids[0])), "SIGINT")
    assert asyncio.run(app.workflows.arevoke(ids[2])).id == result.id
    for id in ids:
        end(app, id)
    assert app.workflows.revoke(result.id).revoked == []


def test_marks_of_a_workflow_outlast_what_is_due_much_later(db_url: str) -> None:
    clock = TurnedClock()
    day = 86400
    with Umbel("later", broker=db_url, clock=clock) as app:
        eta = datetime.fromtimestamp(clock.time + 2 * day, UTC)
        result = group([sig(app, 1).set(countdown=day), sig(app, 2).set(eta=eta), sig(app, 3)], app=app).delay()
        app.workflows.revoke(str(result.id))
        clock.time += 2 * day + 60
        assert set(marks(app)) >= {one.id for one in result}
        clock.time += app.conf.worker_revoke_expires
        assert marks(app) == {}


def marks(app: Umbel) -> dict[str, str | None]:
    async def look() -> Any:
        async with app.connections.keeper() as keeper:
            return (await keeper.revoked())[1]

    return {id: mark.terminate for id, mark in asyncio.run(look()).items()}


def test_a_workflow_that_a_task_called_is_a_unit_and_says_whose_it_is(app: Umbel) -> None:
    made: list[Any] = []

    @app.task(bind=True, name="t.outer")
    def outer(self: Task[..., Any]) -> None:
        made.append(chain(sig(app, 1), sig(app, 2), app=app).delay())

    called = outer.apply()
    tree = made[0].tree()
    assert tree.notes == [f"it was called by the task {called.id}"]
    assert app.workflows.revoke(made[0].id).revoked == [node.id for node in tree.tasks()]
    assert set(marks(app)) == {node.id for node in tree.tasks()}, "not what else the task around it called"


def test_retry_gives_pending_results_and_can_be_repeated(app: Umbel) -> None:
    result = chain(sig(app, 1), sig(app, 2), app=app).delay()
    first = result.parent.id
    said = {"exc_type": "KeyError", "exc_message": []}
    end(app, first, said, states.FAILURE)
    end(app, result.id, said, states.FAILURE)
    app.workflows.revoke(result.id)
    assert app.workflows.retry(result.id).again == [first]
    assert app.AsyncResult(first).state == app.AsyncResult(result.id).state == states.PENDING
    assert app.workflows.retry(result.id).again == []
    assert app.sync_producer.survey(["celery"])[0].ready == 2


def test_what_was_revoked_runs_again_after_its_marks_are_taken_off(app: Umbel) -> None:
    result = chain(sig(app, 1), sig(app, 2), app=app).delay()
    app.workflows.revoke(result.id)
    for id in (result.parent.id, result.id):
        end(app, id, {"exc_type": "TaskRevokedError", "exc_message": ["revoked"]}, states.REVOKED)
    assert len(marks(app)) == 3
    assert app.workflows.retry(result.id).again == [result.parent.id]
    assert marks(app) == {}


def test_what_failed_runs_again_in_memory_too() -> None:
    ran: list[Any] = []
    shut = [True]
    with Umbel("memory", broker="memory://mended", backend="memory://mended", set_as_current=False) as app:

        @app.task(name="t.picky")
        def picky(n: int) -> int:
            ran.append(n)
            if n == 2 and shut:
                raise ValueError("shut")
            return n

        @app.task(name="t.total")
        def total(numbers: list[int]) -> int:
            ran.append("total")
            return sum(numbers)

        with app.Worker(pool="solo", loglevel="ERROR"):
            result = chord([picky.s(n) for n in range(4)], total.s())()
            assert isinstance(result.get(timeout=20, propagate=False), ChordError)
            assert [node.join for node in result.tree().root.walk() if node.join] == [Standing(4, 4, 1, "failed")]
            shut.clear()
            assert len(app.workflows.retry(result.id).again) == 1
            assert app.AsyncResult(result.id).get(timeout=20) == 6
            assert [one.phase for one in app.workflows] == ["succeeded"]
    assert sorted(map(str, ran)) == ["0", "1", "2", "2", "3", "total"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_result_store_that_is_away_keeps_no_chain_from_being_called(
    caplog: pytest.LogCaptureFixture, asynchronous: bool
) -> None:
    url = f"memory://away-{asynchronous}"
    caplog.set_level("WARNING", "umbel")
    with Umbel("live", broker=url, backend="redis://127.0.0.1:1/0", set_as_current=False) as app:
        app.task(add, name="t.add")
        for _ in range(2):
            whole = chain(sig(app, 1), sig(app, 2), app=app)
            result = asyncio.run(whole.adelay()) if asynchronous else whole.delay()
            assert result.id
        assert app.sync_producer.survey(["celery"])[0].ready == 2
    (told,) = [line for line in caplog.messages if "app.workflows will not know" in line]
    assert "127.0.0.1:1" in told
