"""Every serializer and every compression, both ways, with each version of Celery."""

import json
from collections.abc import Callable

import redis

from tests.interop.fleet import Fleet
from umbel.wire import compression

SERIALIZERS = ("json", "msgpack", "yaml", "pickle")
METHODS = tuple(name for name in compression.names() if name != "bz2")  # that one is Umbel's own name
OPTIONS = [*[{"serializer": name} for name in SERIALIZERS], *[{"compression": name} for name in METHODS]]
BOTH = {"serializer": "pickle", "compression": "zstd"}
VALUE = {"text": "grüß 🌿", "none": None, "deep": [[1.5, True], {"a": {"b": "c"}}], "long": "x" * 500}


def test_calls_of_every_form(make_fleet: Callable[..., Fleet], version: str) -> None:
    fleet = make_fleet(accept_content=SERIALIZERS)
    fleet.environment["C_FORCE_ROOT"] = "1"  # Celery's worker does not read pickles as root
    fleet.umbel("-c", "1", "-Q", "umbel")
    fleet.celery(version, "-c", "1", "-Q", "celery")
    client = fleet.celery_client(version)
    expected = {"args": [VALUE], "kwargs": {"k": VALUE}}
    with fleet.umbel_client() as app:
        echo = app.tasks["interop.echo"]
        to_celery = [echo.apply_async((VALUE,), {"k": VALUE}, **options) for options in (*OPTIONS, BOTH)]
        to_umbel = [
            client.send("interop.echo", args=[VALUE], kwargs={"k": VALUE}, queue="umbel", **options)
            for options in (*OPTIONS, BOTH)
        ]
        for options, result in zip((*OPTIONS, BOTH), to_celery, strict=True):
            assert result.get(30) == expected, options
        for options, id in zip((*OPTIONS, BOTH), to_umbel, strict=True):
            assert client.get(id) == {"value": expected}, options
    assert {line["by"] for line in fleet.ran()} == {"umbel", "celery"}


def test_both_write_the_same_names(make_fleet: Callable[..., Fleet], version: str, redis_url: str) -> None:
    fleet = make_fleet(accept_content=SERIALIZERS)
    client = fleet.celery_client(version)

    def form(element: bytes) -> tuple[str, str, str | None]:
        found = json.loads(element)
        return found["content-type"], found["content-encoding"], found["headers"].get("compression")

    with fleet.umbel_client() as app, redis.Redis.from_url(redis_url) as look:
        for options in (*OPTIONS, BOTH):
            app.tasks["interop.echo"].apply_async((VALUE,), queue="ours", **options)
            client.send("interop.echo", args=[VALUE], queue="theirs", **options)
        ours, theirs = ([form(element) for element in look.lrange(queue, 0, -1)] for queue in ("ours", "theirs"))
    assert ours == theirs
    assert len(set(ours)) == len(SERIALIZERS) + len({compression.find(name) for name in METHODS}) + 1
