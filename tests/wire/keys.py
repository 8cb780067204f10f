"""Keys and certificates for tests, made by ``cryptography``."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

PASSWORD = b"secret"


class Identity(NamedTuple):
    """A key and its certificate, as PEM."""

    key: bytes
    certificate: bytes

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """The two files; the certificate in the folder ``store``."""
        store = folder / "store"
        store.mkdir(exist_ok=True)
        key, certificate = folder / f"{name}.key", store / f"{name}.pem"
        key.write_bytes(self.key)
        certificate.write_bytes(self.certificate)
        return key, certificate


def identity(
    name: str, *, days: float = 2, number: int | None = None, rsa_key: bool = True, locked: bool = False
) -> Identity:
    """A new one, whose time is over in so many days."""
    key: Any = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ümbel")]
    )
    end = datetime.now(UTC) + timedelta(days=days)  # noqa: TID251  certificates are held against the machine's clock
    certificate = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(number or x509.random_serial_number())
        .not_valid_before(end - timedelta(days=100))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    locking = serialization.BestAvailableEncryption(PASSWORD) if locked else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locking)
    return Identity(pem, certificate.public_bytes(serialization.Encoding.PEM))
