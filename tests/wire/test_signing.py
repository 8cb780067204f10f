"""Signed content: read if it is whole and of somebody who is known, and never looked into otherwise."""

import base64
import pickle
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.wire.keys import PASSWORD, Identity, identity
from umbel.exceptions import DecodeError, EncodeError, ImproperlyConfigured, SecurityError
from umbel.wire import serializers
from umbel.wire.signing import SEPARATOR, Certificate, Signer

NOW = time.time()  # noqa: TID251  certificates are held against the machine's clock
DAY = 86400.0
OURS, THEIRS = identity("ours"), identity("theirs")
VALUE = {"text": "grüß", "list": [1, None, "\x00\x01"]}


def signer(who: Identity = OURS, *, peers: tuple[Identity, ...] = (), now: float = NOW, **options: Any) -> Signer:
    others = [Certificate(peer.certificate, f"peer{number}.pem") for number, peer in enumerate(peers)]
    return Signer(who.key, Certificate(who.certificate, "own.pem"), others, now=lambda: now, **options)


def test_what_one_signs_another_reads_who_knows_it() -> None:
    written = signer().encode(VALUE)
    assert signer(THEIRS, peers=(OURS,)).decode(written.encode()) == VALUE
    assert signer().decode(written.encode()) == VALUE, "its own, as after a retry"
    fields = base64.b64decode(written).split(SEPARATOR, 4)
    assert base64.b64decode(fields[0]).decode().startswith("ours Ümbel ")
    assert fields[2:4] == [b"application/json", b"utf-8"]


@pytest.mark.parametrize("field", range(5))
def test_a_change_anywhere_is_refused(field: int) -> None:
    fields = base64.b64decode(signer().encode(VALUE)).split(SEPARATOR, 4)
    fields[field] = fields[field][:-3] + bytes([fields[field][-3] ^ 1]) + fields[field][-2:]
    with pytest.raises((SecurityError, DecodeError)):
        signer(THEIRS, peers=(OURS,)).decode(base64.b64encode(SEPARATOR.join(fields)))


@pytest.mark.parametrize("data", [b"", b"[1]", b"{}", base64.b64encode(b"a\x00\x01b"), b"\xff\xfe"])
def test_what_is_not_signed_is_refused(data: bytes) -> None:
    with pytest.raises(SecurityError, match="it is not signed"):
        signer().decode(data)


def test_a_stranger_is_refused_by_name() -> None:
    with pytest.raises(SecurityError, match=r"signed by 'theirs Ümbel .*not in security_cert_store"):
        signer().decode(signer(THEIRS).encode(VALUE).encode())


def test_a_stranger_under_a_known_name_is_refused() -> None:
    number = 7
    one, other = identity("same", number=number), identity("same", number=number)
    with pytest.raises(SecurityError, match="content was changed, or forged"):
        signer(peers=(one,)).decode(signer(other).encode(VALUE).encode())
    with pytest.raises(SecurityError, match=r"peer0\.pem and peer1\.pem are two certificates of one name"):
        signer(peers=(one, other))


def test_a_certificate_whose_time_is_over_is_refused_when_it_is_loaded_and_when_it_is_used() -> None:
    written = signer().encode(VALUE).encode()
    over = "has been over since 20"
    now = [NOW]
    reader = Signer(OURS.key, Certificate(OURS.certificate, "own.pem"), [], now=lambda: now[0])
    now[0] += 3 * DAY
    with pytest.raises(SecurityError, match=over):
        reader.decode(written)
    with pytest.raises(SecurityError, match=over):
        signer(peers=(identity("old", days=-1),))
    with pytest.raises(SecurityError, match=over):
        signer(now=NOW + 3 * DAY)


def test_signed_content_of_a_type_that_is_not_allowed_is_not_decoded() -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return pytest.fail, ("a pickle was opened",)

    written = signer(serializer="pickle").encode(Trap()).encode()
    with pytest.raises(DecodeError, match="signed content of type application/x-python-serialize; accepted is"):
        signer().decode(written)
    assert signer(allowed=["pickle"]).decode(signer(serializer="pickle").encode({1}).encode()) == {1}


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Certificate(b"nothing", "x.pem"), "x.pem is no certificate"),
        (
            lambda: Certificate(identity("e", rsa_key=False).certificate, "x.pem"),
            "x.pem: only certificates of RSA keys",
        ),
        (lambda: signer(Identity(b"nothing", OURS.certificate)), "the private key cannot be read"),
        (lambda: signer(Identity(identity("e", rsa_key=False).key, OURS.certificate)), "not an RSA key"),
        (lambda: signer(Identity(THEIRS.key, OURS.certificate)), r"the private key is not that of own\.pem"),
        (lambda: signer(password=b"secret"), "the private key cannot be read"),
    ],
)
def test_keys_that_cannot_be_used_are_refused(make: Callable[[], Any], told: str) -> None:
    with pytest.raises(SecurityError, match=told):
        make()


def test_a_locked_key_needs_its_password() -> None:
    locked = identity("locked", locked=True)
    assert signer(locked, password=PASSWORD).encode(1)
    for password in (None, b"wrong"):
        with pytest.raises(SecurityError, match="the private key cannot be read"):
            signer(locked, password=password)


def test_digests_and_serializers_that_there_are_not() -> None:
    assert signer(digest="SHA512").decode(signer(digest="sha512").encode(1).encode()) == 1
    with pytest.raises(SecurityError, match="changed, or forged"):
        signer(digest="sha512").decode(signer().encode(1).encode())
    for digest in ("nonsense", "__doc__"):
        with pytest.raises(ImproperlyConfigured, match="there is no such digest"):
            signer(digest=digest)
    with pytest.raises(ImproperlyConfigured, match="no serializer 'nonsense'"):
        signer(serializer="nonsense")


def test_what_cannot_be_written_keeps_its_path() -> None:
    with pytest.raises(EncodeError) as caught:
        signer().encode(([object()], {}, {}))
    assert tuple(caught.value.path) == (0, 0)


def test_before_it_is_set_up_it_says_how() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"'auth' is there after app\.setup_security\(\)"):
        serializers.encode(1, "auth")
    assert pickle.loads(pickle.dumps(SecurityError("x"))).args == ("x",)
