"""Signed content, byte for byte as Celery's serializer ``auth`` writes it: another serializer's text, and who wrote it.

    base64(base64(signer) ␀␁ base64(signature) ␀␁ content type ␀␁ content encoding ␀␁ text)

Keys and certificates come in as bytes: this module reads no file. What is not signed by a certificate that is known, or
is signed by one whose time is over, is never decoded. Only the text is signed: not the content type beside it, which is
therefore held against a list, and nothing of the message's headers.
"""

import base64
import binascii
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from umbel.core.errors import DecodeError, ImproperlyConfigured, SecurityError
from umbel.wire import serializers
from umbel.wire.optional import library

NAME, CONTENT_TYPE = "auth", "application/data"
SEPARATOR = b"\x00\x01"
FIELDS = 5


class Certificate:
    """One whose key is RSA. ``source`` is what messages call it. Raises ``SecurityError`` for anything else."""

    def __init__(self, pem: bytes, source: str) -> None:
        try:
            self._certificate = _x509().load_pem_x509_certificate(pem)
            self._key = self._certificate.public_key()
        except ValueError as error:
            raise SecurityError(f"{source} is no certificate: {error}") from error
        if not isinstance(self._key, _rsa().RSAPublicKey):
            raise SecurityError(f"{source}: only certificates of RSA keys can be used")
        self.source = source

    @property
    def id(self) -> str:
        """Its issuer and number, by which messages name it."""
        issuer = " ".join(str(part.value) for part in self._certificate.issuer)
        return f"{issuer} {self._certificate.serial_number}"

    @property
    def public_numbers(self) -> Any:
        """Its key, to be compared."""
        return self._key.public_numbers()

    def refuse_if_over(self, now: float) -> None:
        """Raise ``SecurityError`` if its time is over."""
        end = self._certificate.not_valid_after_utc
        if datetime.fromtimestamp(now, UTC) >= end:
            raise SecurityError(f"the certificate {self.id!r} has been over since {end:%Y-%m-%d %H:%M} UTC")

    def verify(self, text: bytes, signature: bytes, digest: Any) -> None:
        """Raise ``SecurityError`` if the signature is not of its key and of this text."""
        try:
            self._key.verify(signature, text, *_scheme(digest))
        except library(NAME, "cryptography.exceptions").InvalidSignature:
            raise SecurityError(
                f"the signature is not that of {self.id!r}: the content was changed, or forged"
            ) from None


class Signer:
    """Writes with one key, reads what any of ``peers`` has signed. ``now`` is wall time.

    Raises ``SecurityError`` for a key or certificate that cannot be used, or that do not belong together, and
    ``ImproperlyConfigured`` for a digest or serializer that there is not.
    """

    def __init__(
        self,
        key: bytes,
        certificate: Certificate,
        peers: Iterable[Certificate],
        *,
        password: bytes | None = None,
        digest: str = "sha256",
        serializer: str = "json",
        allowed: Iterable[str] = (),
        now: Callable[[], float],
    ) -> None:
        self._key = _private(key, password)
        if self._key.public_key().public_numbers() != certificate.public_numbers:
            raise SecurityError(f"the private key is not that of {certificate.source}")
        self._certificate = certificate
        self._digest = _digest(digest)
        self._serializer = serializers.find(serializer)
        self._allowed = serializers.content_types([serializer, *allowed])
        self._now = now
        self._peers: dict[str, Certificate] = {certificate.id: certificate}
        for peer in peers:
            known = self._peers.setdefault(peer.id, peer)
            if known is not peer and known.public_numbers != peer.public_numbers:
                raise SecurityError(f"{known.source} and {peer.source} are two certificates of one name: {peer.id!r}")
        for peer in self._peers.values():
            peer.refuse_if_over(now())

    def encode(self, value: Any) -> str:
        """Serialize and sign."""
        kind, encoding, text = serializers.encode(value, self._serializer.name)
        signature = self._key.sign(text, *_scheme(self._digest))
        signer = self._certificate.id.encode()
        fields = (base64.b64encode(signer), base64.b64encode(signature), kind.encode(), encoding.encode(), text)
        return base64.b64encode(SEPARATOR.join(fields)).decode()

    def decode(self, data: bytes) -> Any:
        """Verify and deserialize.

        Raises ``SecurityError`` for what is not signed by somebody who is known, and ``DecodeError`` for what is signed
        and cannot be read.
        """
        try:
            fields = base64.b64decode(data, validate=True).split(SEPARATOR, FIELDS - 1)
            if len(fields) != FIELDS:
                raise ValueError("it has too few parts")
            signer, signature = (base64.b64decode(field, validate=True) for field in fields[:2])
            name, kind, encoding = (field.decode() for field in (signer, *fields[2:4]))
        except (binascii.Error, ValueError) as error:
            raise SecurityError(f"it is not signed: {error}") from error
        peer = self._peers.get(name)
        if peer is None:
            raise SecurityError(f"it is signed by {name!r}, whose certificate is not in security_cert_store")
        peer.refuse_if_over(self._now())
        peer.verify(fields[4], signature, self._digest)
        if kind not in self._allowed:
            raise DecodeError(
                f"{name!r} has signed content of type {kind}; accepted is {', '.join(sorted(self._allowed))}"
            )
        return serializers.decode(fields[4], kind, encoding, self._allowed)


def _private(pem: bytes, password: bytes | None) -> Any:
    serialization = library(NAME, "cryptography.hazmat.primitives.serialization")
    try:
        key = serialization.load_pem_private_key(pem, password)
    except (TypeError, ValueError) as error:  # encrypted and no password, or the reverse; or no key
        raise SecurityError(f"the private key cannot be read: {error}") from error
    if not isinstance(key, _rsa().RSAPrivateKey):
        raise SecurityError("the private key is not an RSA key: only those can be used")
    return key


def _digest(name: str) -> Any:
    hashes = library(NAME, "cryptography.hazmat.primitives.hashes")
    kind = getattr(hashes, name.upper(), None)
    if not (isinstance(kind, type) and issubclass(kind, hashes.HashAlgorithm)):
        raise ImproperlyConfigured(f"security_digest = {name!r}: there is no such digest; sha256 is one")
    return kind()


def _scheme(digest: Any) -> tuple[Any, Any]:
    padding = library(NAME, "cryptography.hazmat.primitives.asymmetric.padding")
    return padding.PSS(mgf=padding.MGF1(digest), salt_length=padding.PSS.MAX_LENGTH), digest


def _rsa() -> Any:
    return library(NAME, "cryptography.hazmat.primitives.asymmetric.rsa")


def _x509() -> Any:
    return library(NAME, "cryptography.x509")
