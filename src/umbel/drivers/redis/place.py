"""Where a Redis server is, and how to speak to it: URLs and options as Celery's users write them. Connects nothing.

redis://user:password@host:6379/0?socket_timeout=5      rediss:// the same with TLS
redis+socket:///path/to/redis.sock?virtual_host=0       (or unix:///path/to/redis.sock?db=0)
sentinel://host:26379/0;sentinel://host2:26379/0        with the option master_name
"""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from umbel.core.errors import ImproperlyConfigured

PORT, SENTINEL_PORT = 6379, 26379
_TLS_FILES = {"ssl_ca_certs": "cafile", "ssl_ca_path": "capath", "ssl_ca_data": "cadata"}
_TLS_OPTIONS = frozenset(
    {*_TLS_FILES, "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_ciphers", "ssl_keyfile", "ssl_password"}
)
_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One database of one server, or of the master that sentinels know. Times in seconds; None is no limit."""

    hosts: tuple[tuple[str, int], ...] = ()
    path: str | None = None
    db: int = 0
    username: str | None = None
    password: str | None = None
    master: str | None = None
    tls: bool = False
    tls_options: tuple[tuple[str, Any], ...] = ()
    sentinel_options: tuple[tuple[str, Any], ...] = ()
    connect_timeout: float = 4.0
    client_name: str | None = None
    credentials: Any = None
    tagged: bool = False
    """Whether all keys begin with one hash tag, so that a cluster keeps them in one slot."""

    @property
    def server(self) -> tuple[Any, ...]:
        """Equal for two places that are on one server, whatever the database."""
        return (self.path,) if self.path is not None else (self.master, *self.hosts)

    def __str__(self) -> str:
        if self.path is not None:
            return f"{self.path} (database {self.db})"
        where = ", ".join(f"{host}:{port}" for host, port in self.hosts)
        if self.master is not None:
            return f"master {self.master} of sentinels {where}"
        return f"{where}/{self.db}"

    def tls_context(self) -> ssl.SSLContext | None:
        """How TLS is spoken here, or None where it is not."""
        if not self.tls:
            return None
        options = dict(self.tls_options)
        files = {name: options[given] for given, name in _TLS_FILES.items() if options.get(given)}
        context = ssl.create_default_context(**files)
        verify = _verify(options.get("ssl_cert_reqs"))
        context.check_hostname = verify is not ssl.CERT_NONE and _flag(options.get("ssl_check_hostname", True))
        context.verify_mode = verify
        if options.get("ssl_certfile"):
            context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"), options.get("ssl_password"))
        if options.get("ssl_ciphers"):
            context.set_ciphers(options["ssl_ciphers"])
        return context


def parse(url: str, options: Mapping[str, Any] | None = None) -> tuple[Place, dict[str, Any]]:
    """The place of a URL, and every option that is not about the connection. Raises ``ImproperlyConfigured``.

    What the URL says after ``?`` wins over ``options``.
    """
    try:
        parts = [urlsplit(part.strip()) for part in url.split(";") if part.strip()]
    except ValueError as exc:  # [ without ]
        raise ImproperlyConfigured(f"{url!r} is no URL: {exc}") from exc
    first = parts[0]
    if len(parts) > 1 and first.scheme != "sentinel":
        raise ImproperlyConfigured(
            f"{len(parts)} servers in one URL: failing over from one to another is built for sentinel:// only; name one"
        )
    chosen: dict[str, Any] = {**(options or {}), **dict(parse_qsl(first.query))}
    tls = chosen.pop("ssl", None)
    tls_options = _tls_options({**_mapping(tls), **_taken(chosen, "ssl_")})
    connect = chosen.pop("socket_connect_timeout", None)
    place = Place(
        username=_text(chosen.pop("username", None) or first.username),
        password=_text(chosen.pop("password", None) or first.password),
        tls=first.scheme == "rediss" or bool(tls) or bool(tls_options),
        tls_options=tuple(tls_options.items()),
        connect_timeout=4.0 if connect is None else number("socket_connect_timeout", connect),
        client_name=chosen.pop("client_name", None),
        credentials=chosen.pop("credential_provider", None),
        tagged=re.match(r"[^{]*\{[^}]+\}", str(chosen.get("global_keyprefix") or "")) is not None,
    )
    if first.scheme in ("redis+socket", "unix"):
        path = unquote(first.path)
        if not Path(path).is_absolute():
            raise ImproperlyConfigured(f"{url!r} names no socket: write redis+socket:///path/to/redis.sock")
        db = _database(chosen.pop("virtual_host", None) or chosen.pop("db", 0))
        return msgspec.structs.replace(place, path=path, db=db), chosen
    sentinel = first.scheme == "sentinel"
    try:
        hosts = tuple(
            (part.hostname or "localhost", part.port or (SENTINEL_PORT if sentinel else PORT)) for part in parts
        )
    except ValueError as exc:
        raise ImproperlyConfigured(f"the broker URL has no usable port: {exc}") from exc
    path_db = first.path.strip("/")
    db = _database(path_db or chosen.pop("db", 0))
    chosen.pop("db", None)
    place = msgspec.structs.replace(place, hosts=hosts if sentinel else hosts[:1], db=db)
    if not sentinel:
        return place, chosen
    master, kwargs = chosen.pop("master_name", None), chosen.pop("sentinel_kwargs", None)
    if not master:
        raise ImproperlyConfigured(
            "a sentinel:// URL needs to know which master: set broker_transport_options = {'master_name': 'mymaster'}"
        )
    return msgspec.structs.replace(place, master=str(master), sentinel_options=tuple(_mapping(kwargs).items())), chosen


def _tls_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options as Celery and redis-py name them; AMQP's names, which lack the ``ssl_``, are taken too. Checked."""
    options = {name if name.startswith("ssl_") else f"ssl_{name}": value for name, value in given.items()}
    unknown = sorted(options.keys() - _TLS_OPTIONS)
    if unknown:
        raise ImproperlyConfigured(f"TLS has no option {unknown[0]!r}; there is {', '.join(sorted(_TLS_OPTIONS))}")
    for name in ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"):
        if options.get(name) and not Path(options[name]).exists():
            raise ImproperlyConfigured(f"{name} is {str(options[name])!r}, and there is no such file")
    if options.get("ssl_cert_reqs") is not None:
        options["ssl_cert_reqs"] = _verify(options["ssl_cert_reqs"]).name.removeprefix("CERT_").lower()
    return options


def number(option: str, value: Any) -> float:
    """The value of an option. Raises ``ImproperlyConfigured`` for what is no number above 0."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = 0.0
    if not found > 0:
        raise ImproperlyConfigured(f"the option {option} of a Redis URL is a number above 0, not {value!r}")
    return found


def _database(value: Any) -> int:
    try:
        return int(str(value).strip("/") or 0)
    except ValueError as exc:
        raise ImproperlyConfigured(f"the database of a Redis URL is a number, not {value!r}") from exc


def _taken(options: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name: options.pop(name) for name in list(options) if name.startswith(prefix)}


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return None if value is None else unquote(str(value))


def _flag(value: Any) -> bool:
    return str(value).lower() not in ("false", "0", "no", "")


def _verify(value: Any) -> ssl.VerifyMode:
    if value is None:
        return ssl.CERT_REQUIRED
    if isinstance(value, int) and value in list(ssl.VerifyMode):
        return ssl.VerifyMode(value)
    name = str(value).lower().removeprefix("cert_")
    if name not in _VERIFY:
        raise ImproperlyConfigured(f"ssl_cert_reqs is none, optional or required, not {value!r}")
    return _VERIFY[name]
