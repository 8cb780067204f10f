"""Workflows across the border: sent by one kind, run by the other, and by both on one chord, with the same values."""

import base64
import json
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import redis

import umbel
from tests.interop.fleet import Fleet
from tests.worker.fleet import until
from tests.worker.workflows import Sig, chain, chord, group
from tests.worker.workflows import sig as signature
from umbel import Umbel
from umbel.app.calling import keep, put_first
from umbel.core.unfolding import unfold


def sig(task: str, *args: Any, immutable: bool = False, **options: Any) -> Sig:
    return signature(f"interop.{task}", *args, immutable=immutable, **options)


SHAPES: dict[str, tuple[Callable[[], Sig], Any]] = {
    "chain": (lambda: chain(sig("add", 1, 2), sig("add", 3), sig("add", 4)), 10),
    "immutable link": (lambda: chain(sig("add", 1, 2), sig("add", 3, 4, immutable=True)), 7),
    "group": (lambda: group(sig("add", 1, 1), sig("add", 2, 2)), [2, 4]),
    "chain into group": (lambda: chain(sig("add", 1, 2), group(sig("add", 10), sig("add", 20))), [13, 23]),
    "chord": (lambda: chord([sig("add", n, n) for n in range(12)], sig("gather")), [[2 * n for n in range(12)]]),
    "upgraded": (
        lambda: chain(sig("add", 1, 1), group(sig("add", 1), sig("add", 2)), sig("gather"), sig("gather", 9)),
        [[[3, 4]], 9],
    ),
    "chains in a header": (
        lambda: chord([chain(sig("add", 1, 1), sig("add", 5)), sig("add", 0, 0)], sig("gather")),
        [[7, 0]],
    ),
    "chord in a header": (
        lambda: chord([chord([sig("add", 1, 1), sig("add", 2, 2)], sig("gather")), sig("add", 0, 0)], sig("gather")),
        [[[[2, 4]], 0]],
    ),
    "chords in a chain": (
        lambda: chain(
            chord([sig("add", 1, 1), sig("add", 2, 2)], sig("gather")),
            group(sig("gather"), sig("gather", 1)),
            sig("gather"),
        ),
        [[[[[2, 4]]], [[[2, 4]], 1]]],
    ),
    "group as body": (
        lambda: chord([sig("add", 1, 1), sig("add", 2, 2)], group(sig("gather"), sig("gather", 1))),
        [[[2, 4]], [[2, 4], 1]],
    ),
}


def send(app: Umbel, workflow: Sig) -> Any:
    """Send it as Umbel's client does; the result tuple."""
    unfolded = unfold(workflow, new_id=lambda: str(uuid.uuid4()), keep=keep(app))
    put_first(app, unfolded)
    build = app.client.build
    app.client.publish([build(one.task, one.args, one.kwargs, one.options, one.embed) for one in unfolded.calls])
    return unfolded.result


def all_done(fleet: Fleet, client: Any, sent: list[Any]) -> None:
    found = dict(zip(SHAPES, [client.get_workflow(one) for one in sent], strict=True))
    assert found == {name: {"value": expected} for name, (_, expected) in SHAPES.items()}
    assert all(times == 1 for times in Counter(line["id"] for line in fleet.ran("add")).values())


def test_umbel_runs_what_celery_sends(fleet: Fleet, version: str) -> None:
    client = fleet.celery_client(version)
    fleet.umbel("-c", "2")
    sent = [client.send_workflow(name, signature=make()) for name, (make, _) in SHAPES.items()]
    all_done(fleet, client, sent)
    with fleet.umbel_client() as app:
        ((last, _), _) = sent[0]
        tree = app.workflows.show(last)
        assert (tree.phase, "kept no structure" in tree.notes[0]) == ("succeeded", True)
        assert tree.root.name == "?" or tree.root.kind == "chain"
        assert tree.counts() == {"succeeded": 3}
        assert list(app.workflows) == []


def test_celery_runs_what_umbel_sends(fleet: Fleet, version: str) -> None:
    client = fleet.celery_client(version)
    fleet.celery(version, "-c", "2")
    with fleet.umbel_client() as app:
        all_done(fleet, client, [send(app, make()) for make, _ in SHAPES.values()])


def test_a_workflow_that_celery_ran_is_looked_at_and_run_again(fleet: Fleet, version: str) -> None:
    fleet.celery(version, "-c", "2")
    gate = fleet.folder / "gate"
    with fleet.umbel_client() as app:
        add, gather, if_open = (app.tasks[f"interop.{name}"] for name in ("add", "gather", "if_open"))
        members = [add.si(1, 1), if_open.si(2, str(gate)), umbel.chain(add.si(3, 3), add.s(1))]
        result = umbel.chord(members, gather.s())()
        until(result.ready, 20, what="the failure of the body")
        tree = result.tree()
        assert tree.counts() == {"succeeded": 3, "failed": 1, "never ran": 1}
        assert [node.name for node in tree.tasks() if node.phase == "failed"] == ["interop.if_open"]
        gate.touch()
        assert len(app.workflows.retry(result.id).again) == 1
        assert app.AsyncResult(result.id).get(timeout=20) == [[2, 2, 7]]
        assert (len(fleet.ran("add")), len(fleet.ran("if_open")), len(fleet.ran("gather"))) == (3, 2, 1)
        assert result.tree().counts() == {"succeeded": 5}


@pytest.mark.slow
def test_both_run_one_chord(fleet: Fleet, version: str) -> None:
    client = fleet.celery_client(version)
    for node in (fleet.umbel("-c", "1", ready=False), fleet.celery(version, "-c", "1", ready=False)):
        node.ready()
    with fleet.umbel_client() as app:
        workflows = [chord([sig("add", n, 1) for n in range(30)], sig("gather")) for _ in range(20)]
        sent = [send(app, one) for one in workflows[:10]]
        sent += [client.send_workflow("chord", signature=one) for one in workflows[10:]]
        assert [client.get_workflow(one) for one in sent] == [{"value": [list(range(1, 31))]}] * 20
        all_done(fleet, client, [client.send_workflow(name, signature=make()) for name, (make, _) in SHAPES.items()])
    assert {line["by"] for line in fleet.ran("add")} == {"umbel", "celery"}


def test_what_celery_cannot_find_it_fails_under_the_id_that_is_waited_for(fleet: Fleet, version: str) -> None:
    """With the rest kept beside the results, a worker of Celery runs tasks as ever, and fails where it would go on."""
    client = fleet.celery_client(version)
    node = fleet.celery(version, "-c", "1")
    with fleet.umbel_client() as app:
        app.conf.task_max_rest = 0
        body = send(app, chord([sig("add", n, n) for n in range(3)], sig("gather")))
        rest = send(app, chain(sig("add", 1, 1), sig("add", 1), sig("add", 1)))
        assert client.get_workflow(body)["raised"] == "ChordError"
        assert client.get_workflow(rest)["raised"] == "NotRegistered"
        assert len(fleet.ran("add")) == 4
        node.stop()
        fleet.umbel("-c", "1")
        rest = send(app, chain(sig("add", 1, 1), sig("add", 1), sig("add", 1)))
        assert client.get_workflow(rest) == {"value": 4}


def test_errors_of_a_header_are_told_as_celery_tells_them(fleet: Fleet, version: str) -> None:
    client = fleet.celery_client(version)
    errbacks = [sig("old_errback"), sig("new_errback")]
    told: dict[str, str] = {}
    for kind in ("celery", "umbel"):
        node = fleet.umbel("-c", "1") if kind == "umbel" else fleet.celery(version, "-c", "1")
        header = [sig("add", 1, 1), sig("boom", "no", immutable=True, task_id=f"member-{kind}")]
        body = sig("gather", link_error=errbacks, task_id=f"body-{kind}")
        sent = client.send_workflow("chord", signature=chord(header, body))
        raised = client.get_workflow(sent)
        rest = chain(sig("boom", "no", task_id=f"first-{kind}"), sig("add", 1, task_id=f"tail-{kind}"))
        rest["options"] = {"link_error": errbacks}
        client.send_workflow("chain", signature=rest)
        tail = client.get(f"tail-{kind}")

        def called(kind: str = kind) -> list[str]:
            """Without what a Celery worker left behind as it stopped, and which then runs again."""
            lines = [str(line["words"]) for name in ("old_errback", "new_errback") for line in fleet.ran(name)]
            return sorted({line for line in lines if f"-{kind}'" in line})

        until(lambda called=called: len(called()) == 4, 20, what="two errbacks of each form")  # type: ignore[misc]
        words = called()
        told[kind] = str((raised, tail, words)).replace(f"-{kind}", "")
        node.stop()
        fleet.ledger.write_text("")
    assert told["umbel"] == told["celery"]


def test_a_group_saved_by_one_is_restored_by_the_other(fleet: Fleet, version: str) -> None:
    client = fleet.celery_client(version)
    with fleet.umbel_client() as app:
        client.save_group("theirs", members=["a", "b"])
        theirs = app.GroupResult.restore("theirs")
        inner = app.GroupResult("ours-inner", [app.AsyncResult("b")])
        ours = app.GroupResult("ours", [app.AsyncResult("a"), inner], parent=app.AsyncResult("ours-before")).save()
        assert theirs is not None
        told = json.dumps(theirs.as_tuple()).replace("theirs", "ours")
        assert told == json.dumps(ours.as_tuple())
        assert client.restore_group("ours") == [json.loads(told), None]
        assert app.GroupResult.restore("ours") is None


def test_chains_of_protocol_1_run(fleet: Fleet, version: str, redis_url: str) -> None:
    """Such a chain is a callback in a callback."""
    client = fleet.celery_client(version)
    client.speak(protocol=1)
    whole = chain(sig("add", 1, 1), sig("add", 10), sig("gather", 5, task_id="last"))
    client.send_workflow("chain", signature=whole)
    with redis.Redis.from_url(redis_url) as look:
        (waiting,) = look.lrange("celery", 0, -1)
    call = json.loads(base64.b64decode(json.loads(waiting)["body"]))
    assert (call["task"], call["callbacks"][0]["options"]["link"][0]["task"]) == ("interop.add", "interop.gather")
    fleet.umbel("-c", "1")
    assert client.get("last") == {"value": [12, 5]}
