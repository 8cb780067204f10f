"""``app.setup_security``: messages that are signed, and refused where they are not. Reads the files of keys."""

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from umbel.core.errors import ImproperlyConfigured
from umbel.wire import serializers
from umbel.wire.signing import CONTENT_TYPE, NAME, Certificate, Signer

if TYPE_CHECKING:
    from umbel.app.application import Umbel

SAY = (
    "setup_security() needs task_serializer = 'auth' and accept_content = ['auth']: "
    "there is no point in signing messages that are not verified"
)


class Signing:
    """The part of an app that sets up signing."""

    def setup_security(
        self,
        allowed_serializers: Iterable[str] | None = None,
        key: str | None = None,
        key_password: str | bytes | None = None,
        cert: str | None = None,
        store: str | None = None,
        digest: str | None = None,
        serializer: str = "json",
    ) -> None:
        """Sign what is sent, and refuse what is not signed: the serializer ``auth``, for all apps of this process.

        ``key`` and ``cert`` are files, ``store`` a folder (or a pattern) of the certificates of all who may send;
        without them the settings ``security_*`` hold. Content is written by ``serializer``, and read if it is of that
        or of ``allowed_serializers``. Raises ``ImproperlyConfigured`` where something is missing, and
        ``SecurityError`` for a key or certificate that cannot be used.
        """
        app = cast("Umbel", self)
        conf = app.conf
        if conf.task_serializer != NAME or tuple(conf.accept_content or ()) != (NAME,):
            raise ImproperlyConfigured(SAY)
        key, cert = key or conf.security_key, cert or conf.security_certificate
        store, password = store or conf.security_cert_store, key_password or conf.security_key_password
        for name, value in (("security_key", key), ("security_certificate", cert), ("security_cert_store", store)):
            if not value:
                raise ImproperlyConfigured(
                    f"{name} is not set: signing needs a key, a certificate, and a store of them"
                )
        signer = Signer(
            _read("security_key", str(key)),
            Certificate(_read("security_certificate", str(cert)), str(cert)),
            [Certificate(_read("security_cert_store", path), path) for path in _stored(str(store))],
            password=password.encode() if isinstance(password, str) else password,
            digest=digest or conf.security_digest,
            serializer=serializer,
            allowed=allowed_serializers or (),
            now=app.clock.now,
        )
        serializers.register(NAME, signer.encode, signer.decode, CONTENT_TYPE)


def _stored(store: str) -> list[str]:
    """The files of a store."""
    found = sorted(glob.glob(f"{store}/*" if Path(store).is_dir() else store))  # noqa: PTH207  a pattern, as in Celery
    if not found:
        raise ImproperlyConfigured(f"security_cert_store = {store!r}: there is no certificate")
    return found


def _read(setting: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ImproperlyConfigured(f"{setting} = {path!r}: {error.strerror}") from error
