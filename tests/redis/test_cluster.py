"""Redis Cluster: refused in one line, unless all keys have one hash tag; then it is as good as any other server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.redis.load import Load
from tests.servers import RedisServer, free_port
from tests.worker.fleet import Farm, until
from umbel import Umbel
from umbel.core.errors import ImproperlyConfigured

HIGHEST_PORT = 55_535
"""The nodes of a cluster speak to each other 10,000 ports higher."""
TAG = {"global_keyprefix": "{shop}:"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One node that has every slot."""
    server = RedisServer(tmp_path_factory.mktemp("cluster") / "redis", cluster_enabled="yes")
    del server.options["databases"]
    while server.port > HIGHEST_PORT:
        server.port = free_port()
    server.start()
    with server.client() as client:
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        until(lambda: client.cluster("info")["cluster_state"] == "ok", what="a cluster that is up")
    yield server
    server.stop()


def test_without_a_hash_tag_it_is_refused(cluster: RedisServer, tmp_path: Path) -> None:
    url = cluster.url()
    app = Umbel("caller", broker=url, backend=url, set_as_current=False)
    for attempt in (lambda: app.send_task("any"), lambda: app.AsyncResult("any").state):
        with pytest.raises(
            ImproperlyConfigured, match=r"is a cluster, .* set the option global_keyprefix to a hash tag"
        ):
            attempt()
    with Farm(tmp_path, broker=url) as farm:
        worker = farm.worker(ready=False)
        assert worker.wait() != 0
        assert "set the option global_keyprefix to a hash tag" in worker.text
        assert "Traceback" not in worker.text


def test_with_a_hash_tag_it_serves(cluster: RedisServer, load_at: Callable[..., Load]) -> None:
    options: dict[str, Any] = {"broker_transport_options": TAG, "result_backend_transport_options": TAG}
    load = load_at(cluster.url(), **options)
    worker = load.farm.worker("-c", "2")
    results = [load.farm.send("add", number, 1) for number in range(50)]
    assert [result.get(timeout=20) for result in results] == list(range(1, 51))
    later = load.farm.send("flaky", "again", 2, countdown=0.1)
    assert later.get(timeout=20) == 2
    assert worker.stop() == 0
    assert {key.partition(b"}")[0] for key in load.look.scan_iter()} == {b"{shop"}
