"""Celery's settings for results in Redis, from the configuration to the connection."""

from typing import Any

import pytest

from umbel import Umbel
from umbel.result.redis import RedisStore


def store(url: str, **settings: Any) -> RedisStore:
    found = Umbel("settings", broker="memory://", backend=url, set_as_current=False, **settings).store
    assert isinstance(found, RedisStore)
    return found


def test_settings_reach_the_connection(redis_url: str, redis_server: Any) -> None:
    found = store(redis_url, redis_client_name="reader", redis_socket_connect_timeout=1.5)
    assert (found.place.client_name, found.place.connect_timeout) == ("reader", 1.5)
    found.sync.read(["any"])
    with redis_server.client() as client:
        assert "reader" in {one["name"] for one in client.client_list()}
    found.sync.close()


def test_options_of_the_adapter_win_over_settings(redis_url: str) -> None:
    options = {"client_name": "option", "global_keyprefix": "px"}
    found = store(redis_url, redis_client_name="setting", result_backend_transport_options=options)
    assert (found.place.client_name, found.prefix) == ("option", "px_celery-task-meta-")


def test_tls_is_asked_for_as_in_celery() -> None:
    found = store("rediss://host/1", redis_backend_use_ssl={"ssl_cert_reqs": "none"})
    assert found.place.tls
    assert dict(found.place.tls_options) == {"ssl_cert_reqs": "none"}
    assert not store("redis://host/1").place.tls


def test_settings_of_redis_say_nothing_to_other_stores(db_url: str) -> None:
    app = Umbel("settings", broker="memory://", backend=db_url, set_as_current=False, redis_client_name="reader")
    assert app.store is not None


@pytest.mark.parametrize(("expires", "kept"), [(None, None), (0, None), (60, 60.0)])
def test_how_long_results_live(expires: Any, kept: float | None) -> None:
    assert store("redis://host/1", result_expires=expires).expires == kept
