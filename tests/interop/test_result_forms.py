"""Results that are not plain JSON: what Umbel stores Celery reads, and the other way round."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.interop.fleet import Fleet
from umbel.core.record import Record

VALUE = {"text": "grüß", "deep": [[1.5, None], {"a": True}], "long": "x" * 500}
ACCEPT = ["json", "msgpack", "yaml", "pickle"]


def both_ways(fleet: Fleet, version: str) -> None:
    client = fleet.celery_client(version)
    boom = {"exc_type": "KeyError", "exc_message": ["k"], "exc_module": "builtins"}
    with fleet.umbel_client() as app:
        app.store.sync.write([Record("SUCCESS", VALUE, None, [], None, "ours")])
        app.store.sync.write([Record("FAILURE", boom, "a traceback", [], None, "failed")])
        assert client.get("ours") == {"value": VALUE}
        assert client.get("failed") == {"raised": "KeyError", "module": "builtins", "args": ["k"]}
        client.store("theirs", result=VALUE, state="SUCCESS")
        client.store("running", result={"done": 3}, state="PROGRESS")
        assert app.AsyncResult("theirs").get(timeout=10) == VALUE
        assert (app.AsyncResult("running").state, app.AsyncResult("running").info) == ("PROGRESS", {"done": 3})


@pytest.mark.parametrize("serializer", ["msgpack", "yaml", "pickle"])
def test_serializers(make_fleet: Callable[..., Fleet], version: str, serializer: str) -> None:
    both_ways(make_fleet(result_serializer=serializer, accept_content=ACCEPT), version)


@pytest.mark.parametrize(
    "settings",
    [
        {"result_compression": "zlib"},
        {"result_compression": "bzip2", "result_serializer": "pickle"},
        {"result_compression": "zstd"},
        {"result_compression": "brotli"},
        {"result_compression": "lzma"},
    ],
    ids=str,
)
def test_compression(make_fleet: Callable[..., Fleet], settings: dict[str, Any]) -> None:
    """Celery 5.6 reads no compressed results, and writes none."""
    both_ways(make_fleet(accept_content=ACCEPT, **settings), "5.7.0")


def test_a_worker_of_umbel_stores_so(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(accept_content=ACCEPT, result_serializer="msgpack", result_compression="zlib")
    fleet.umbel("-c", "1")
    client = fleet.celery_client("5.7.0")
    assert client.get(client.send("interop.add", args=[2, 3])) == {"value": 5}
    assert client.get(client.send("interop.boom", args=["x"]))["raised"] == "Boom"
