"""``app.setup_security``: what it needs, and what becomes of messages that are not signed, or were changed."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.wire.keys import PASSWORD, identity
from umbel import Umbel
from umbel.app.request import current
from umbel.celery.security import setup_security
from umbel.core.delivery import Outgoing
from umbel.core.record import Record
from umbel.exceptions import ContentDisallowed, DecodeError, ImproperlyConfigured, SecurityError
from umbel.testing.memory import memory_of_its_own
from umbel.wire import serializers

OURS, STRANGER, LOCKED = identity("ours"), identity("stranger"), identity("locked", locked=True)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Settings that name a key, its certificate and a store."""
    key, certificate = OURS.write(tmp_path, "ours")
    return {
        "security_key": str(key),
        "security_certificate": str(certificate),
        "security_cert_store": str(tmp_path / "store"),
    }


@pytest.fixture
def make() -> Iterator[Callable[..., Umbel]]:
    """Makes apps that sign."""
    with memory_of_its_own() as url:

        def made(**settings: Any) -> Umbel:
            signed = {"task_serializer": "auth", "accept_content": ["auth"], **settings}
            return Umbel("signed", broker=url, backend=url, set_as_current=False, changes=signed)

        yield made
    serializers.unregister("auth")


def test_calls_are_signed_and_what_is_not_is_buried_unread(
    make: Callable[..., Umbel], files: dict[str, str], tmp_path: Path
) -> None:
    app = make(**files)
    app.setup_security()
    ran: list[Any] = []

    @app.task(bind=True, max_retries=1)
    def add(self: Any, x: int, y: int) -> int:
        ran.append((x, y))
        if self.request.retries == 0:
            raise self.retry(countdown=0)
        return x + y

    def sent(change: Callable[[bytes], bytes], kind: str = "application/data") -> str:
        message = app.client.build(add, (1, 2)).message
        message = msgspec.structs.replace(message, body=change(message.body), content_type=kind)
        app.sync_producer.publish([Outgoing("celery", message)], deadline=5)
        return message.headers.id

    def changed(body: bytes) -> bytes:
        text = base64.b64decode(body)
        return base64.b64encode(text.replace(b"[1,2]", b"[1,9]").replace(b"[1, 2]", b"[1, 9]"))

    with app.Worker(pool="solo"):
        assert add.delay(1, 2).get(timeout=20) == 3
        assert current.get() is None
        ids = {
            sent(changed): (SecurityError, "the content was changed, or forged"),
            sent(lambda body: b"[[1, 2], {}, {}]"): (SecurityError, "it is not signed"),
            sent(lambda body: b"[[1, 2], {}, {}]", "application/json"): (ContentDisallowed, "is not accepted here"),
        }
        for id, (kind, told) in ids.items():
            with pytest.raises(kind, match=told):
                app.AsyncResult(id).get(timeout=20)
    assert ran == [(1, 2), (1, 2)]
    assert {(letter.task_id, letter.reason) for letter in app.dead} == {(id, "refused") for id in ids}
    with pytest.raises(SecurityError, match="changed, or forged"):
        next(letter for letter in app.dead if "changed" in letter.detail).args  # noqa: B018  to look is what is refused


def test_results_are_signed_too_where_that_is_asked_for(make: Callable[..., Umbel], files: dict[str, str]) -> None:
    app, plain = make(**files, result_serializer="auth"), make(result_accept_content=["json"])
    app.setup_security()
    echo = app.task(lambda x: x, name="echo")
    with app.Worker(pool="solo"):
        assert echo.delay("x").get(timeout=20) == "x"
        assert app.store is not None
        assert plain.store is not None
        plain.store.sync.write([Record("SUCCESS", "forged", task_id="some-id")])
        with pytest.raises(DecodeError, match="it is not signed"):
            app.AsyncResult("some-id").get(timeout=20)


def test_an_app_without_the_key_cannot_send_to_it(make: Callable[..., Umbel]) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"'auth' is there after app\.setup_security"):
        make().send_task("add")


def test_arguments_stand_for_settings(make: Callable[..., Umbel], files: dict[str, str], tmp_path: Path) -> None:
    key, certificate = LOCKED.write(tmp_path, "locked")
    app = make()
    setup_security(
        key=str(key),
        key_password="secret",
        cert=str(certificate),
        store=f"{tmp_path}/store/*.pem",
        digest="sha512",
        app=app,
    )
    written = serializers.encode([1], "auth")
    assert serializers.decode(written[2], *written[:2], app.accept_content) == [1]
    app.conf.update(files, security_key=str(key), security_certificate=str(certificate), security_key_password=PASSWORD)
    app.setup_security()
    assert "********" in str(app.conf.table()["security_key_password"])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"task_serializer": "json"}, "needs task_serializer = 'auth' and accept_content"),
        ({"accept_content": ["auth", "json"]}, "needs task_serializer = 'auth' and accept_content"),
        ({"security_key": None}, "security_key is not set"),
        ({"security_certificate": None}, "security_certificate is not set"),
        ({"security_cert_store": None}, "security_cert_store is not set"),
        ({"security_key": "/nonexistent/key"}, "security_key = '/nonexistent/key': No such file"),
        ({"security_certificate": "/nonexistent/pem"}, "security_certificate = '/nonexistent/pem': No such file"),
        ({"security_cert_store": "/nonexistent"}, "security_cert_store = '/nonexistent': there is no certificate"),
        ({"security_digest": "nonsense"}, "security_digest = 'nonsense': there is no such digest"),
    ],
)
def test_what_is_missing_is_said(
    make: Callable[..., Umbel], files: dict[str, str], settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=told):
        make(**{**files, **settings}).setup_security()


def test_a_wrong_certificate_or_store_is_said(
    make: Callable[..., Umbel], files: dict[str, str], tmp_path: Path
) -> None:
    _, other = STRANGER.write(tmp_path, "stranger")
    with pytest.raises(SecurityError, match=rf"the private key is not that of {other}"):
        make(**{**files, "security_certificate": str(other)}).setup_security()
    (tmp_path / "store" / "notes.txt").write_text("no certificate")
    with pytest.raises(SecurityError, match=r"notes\.txt is no certificate"):
        make(**files).setup_security()


def test_without_the_library_the_extra_is_named(
    make: Callable[..., Umbel], files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cryptography.x509", None)
    with pytest.raises(ImproperlyConfigured, match=r"pip install .umbel\[auth\]"):
        make(**files).setup_security()
