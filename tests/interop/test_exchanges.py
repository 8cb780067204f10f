"""Direct, topic and fan-out exchanges, and broadcasts: a mixed fleet reads the same tables and channels."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.interop.fleet import Fleet
from tests.worker.fleet import until

QUEUES = {
    "celery": {},
    "fans": {"exchange": "news", "exchange_type": "fanout", "routing_key": "celery"},
    "videos": {"exchange": "media", "exchange_type": "topic", "routing_key": "media.video.*"},
    "every": {"exchange": "media", "exchange_type": "topic", "routing_key": "media.#"},
    "first": {"exchange": "work", "exchange_type": "direct", "routing_key": "work.first"},
    "second": {"exchange": "work", "exchange_type": "direct", "routing_key": "work.first"},
}


def by_node(fleet: Fleet, id: str) -> Counter[str]:
    return Counter(line["node"] for line in fleet.ran() if line["id"] == id)


def runs(fleet: Fleet, id: str, count: int) -> Counter[str]:
    """Where a task ran, once it ran so often and everything sent after it has run too."""
    try:
        until(lambda: sum(by_node(fleet, id).values()) >= count, 10, what=f"{count} runs of {id}")
    except AssertionError as exc:
        raise AssertionError(f"{exc}: {by_node(fleet, id)}") from None
    return by_node(fleet, id)


def test_a_mixed_fleet_hears_the_same(make_fleet: Callable[..., Fleet], version: str) -> None:
    fleet = make_fleet(task_queues=QUEUES, broadcast="reload")
    nodes = {fleet.umbel("-c", "2"), fleet.umbel("-c", "1"), fleet.celery(version, "-c", "2")}
    names = {"umbel-0@interop", "umbel-1@interop", "celery-2@interop"}
    assert len(nodes) == len(names)
    client = fleet.celery_client(version)
    client.declare("reload")
    with fleet.umbel_client() as app:
        from_umbel, from_celery = app.tasks["interop.echo"].apply_async, client.send

        def both(**options: Any) -> list[str]:
            return [from_umbel(**options).id, from_celery("interop.echo", **options)]

        copied = [*both(queue="reload"), *both(queue="fans")]
        sent = [both(queue="first")[0], *both(exchange="work", routing_key="work.first")[:1]]
        from_celery("interop.echo", queue="videos")  # only now it knows that the exchange is of type topic
        topics = {key: both(exchange="media", routing_key=key) for key in ("media.video.new", "media.text.a.b")}
        for id in copied:
            assert runs(fleet, id, len(names)) == dict.fromkeys(names, 1)
        assert sum(runs(fleet, sent[0], 1).values()) == 1
        assert sum(runs(fleet, sent[1], 2).values()) == 2
        for key, count in (("media.video.new", 2), ("media.text.a.b", 1)):
            assert [sum(runs(fleet, id, count).values()) for id in topics[key]] == [count, count]
