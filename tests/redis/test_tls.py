"""Redis by TLS, with a certificate of the client: for the broker and for results, by URL and by setting."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.redis.tls import Certificates, TlsServer, need_tls
from tests.worker.fleet import Farm
from umbel import Umbel
from umbel.broker.redis import RedisBroker
from umbel.core.errors import ImproperlyConfigured, OperationalError
from umbel.drivers.redis import parse
from umbel.drivers.redis.clients import client


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("tls")
    need_tls(folder)
    return Certificates(folder / "certificates")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[TlsServer]:
    server = TlsServer(tmp_path_factory.mktemp("tls-server") / "redis", certificates)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def options(certificates: Certificates) -> dict[str, str]:
    return {
        "ssl_cert_reqs": "CERT_REQUIRED",
        "ssl_ca_certs": str(certificates.authority),
        "ssl_certfile": str(certificates.client),
        "ssl_keyfile": str(certificates.key(certificates.client)),
    }


def at(server: TlsServer, scheme: str = "rediss", **options: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"{scheme}://127.0.0.1:{server.port}/0?{query}"


def test_a_worker_and_its_caller_by_settings(server: TlsServer, options: dict[str, str], tmp_path: Path) -> None:
    plain = at(server, "redis")
    farm = Farm(tmp_path, broker=plain, backend=plain, broker_use_ssl=options, redis_backend_use_ssl=options)
    with farm, farm.app():
        farm.worker("-c", "1")
        assert farm.send("add", 2, 3).get(timeout=20) == 5


def test_a_caller_by_url(server: TlsServer, options: dict[str, str]) -> None:
    app = Umbel("caller", broker=at(server, **options), backend=at(server, **options), set_as_current=False)
    result = app.send_task("somebody", queue="by-url")
    assert app.store is not None
    assert result.state == "PENDING"
    assert app.broker.shares_server(app.store)
    with client(parse(at(server, **options))[0]) as look:
        assert look.llen("by-url") == 1
    app.close()


def refusal(server: TlsServer, scheme: str = "rediss", **options: str) -> str:
    with pytest.raises(OperationalError) as caught:
        RedisBroker(at(server, scheme, **options)).sync_producer().survey(["q"])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_wrong_is_one_line(
    server: TlsServer, options: dict[str, str], certificates: Certificates, redis_url: str
) -> None:
    stranger = {**options, "ssl_ca_certs": str(certificates.stranger)}
    assert "certificate verify failed" in refusal(server, **stranger)
    assert "was lost" in refusal(server, ssl_ca_certs=options["ssl_ca_certs"]), "it wants a certificate of the client"
    assert "If it speaks TLS only, its URL begins with rediss://" in refusal(server, "redis")
    plain = RedisBroker(redis_url.replace("redis:", "rediss:"), options={"socket_connect_timeout": 0.3})
    with pytest.raises(OperationalError, match="does it speak TLS at all"):
        plain.sync_producer().survey(["q"])


def test_a_client_that_does_not_look_connects_to_anybody(server: TlsServer, options: dict[str, str]) -> None:
    careless = {**options, "ssl_cert_reqs": "none"}
    del careless["ssl_ca_certs"]
    assert RedisBroker(at(server, **careless)).sync_producer().survey(["q"])[0].ready == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"ssl_ca_certs": "/nowhere/ca.pem"}, "ssl_ca_certs is '/nowhere/ca.pem', and there is no such file"),
        ({"ssl_cert_reqs": "maybe"}, "ssl_cert_reqs is none, optional or required, not 'maybe'"),
        ({"ssl_certs": "x"}, "TLS has no option 'ssl_certs'; there is ssl_ca_certs, "),
    ],
)
def test_options_that_cannot_be_are_refused_at_once(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        parse("rediss://127.0.0.1:1/0", {"ssl": options})
    assert says in str(caught.value)


def test_settings_lead_to_the_place(app_at: Callable[..., Any]) -> None:
    assert app_at("redis://h", broker_use_ssl=True).broker.place.tls
    assert app_at("rediss://h", broker_use_ssl=False).broker.place.tls
    assert not app_at("redis://h", broker_use_ssl=False).broker.place.tls
    assert app_at("redis://h", broker_use_ssl={"cert_reqs": 0}).broker.place.tls_context().verify_mode == 0
    assert app_at("redis://h", broker_connection_timeout=1.5).broker.place.connect_timeout == 1.5
    with pytest.raises(ImproperlyConfigured, match="broker_use_ssl is set, and sqlite:// has no TLS"):
        app_at("sqlite:///x.db", broker_use_ssl=True).send_task("any")


@pytest.fixture
def app_at() -> Callable[..., Umbel]:
    return lambda url, **settings: Umbel("placed", broker=url, set_as_current=False, **settings)
