"""Settings of the whole application: content, time, modules. Rows of the table, nothing else."""

from umbel.app import parse
from umbel.app.parse import flag, maybe, names, secret, text
from umbel.app.settings.setting import Setting, Values, later


class General(Values):
    """General and time."""

    accept_content = Setting(
        maybe(names), ("json",), "Content types that are decoded, by name or MIME type. None: all."
    )
    result_accept_content = Setting(maybe(names), None, "The same for results; None: as accept_content.")
    enable_utc = Setting(flag, True, "Send times in UTC.")
    timezone = Setting(maybe(parse.zone), None, "Zone of times without one. None: UTC, or local without enable_utc.")
    security_key = Setting(maybe(text), None, "File of the private key with which setup_security() signs.")
    security_key_password = Setting(maybe(secret), None, "What that file is encrypted with.")
    security_certificate = Setting(maybe(text), None, "File of the certificate of that key.")
    security_cert_store = Setting(maybe(text), None, "Folder of the certificates of all who may send.")
    security_digest = Setting(text, "sha256", "Digest of signatures.")
    imports = Setting(names, (), "Modules that a worker imports when it starts.")
    include = Setting(names, (), "More of them, in addition to imports.")
    override_backends = later({}, "Classes of result stores by the scheme of their URL.")
