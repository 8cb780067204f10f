"""Every serializer and every compression, both ways, with each version of Celery."""

from collections.abc import Callable

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
