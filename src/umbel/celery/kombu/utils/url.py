"""kombu's ``utils.url``: URLs taken apart, put together, and shown without their password. Pure."""

import ssl
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

ssl_available = True


class urlparts(NamedTuple):
    """A URL's parts, None for those that it has not."""

    scheme: str
    hostname: str | None
    port: int | None
    username: str | None
    password: str | None
    path: str | None
    query: dict[str, str]


def url_to_parts(url: str) -> urlparts:
    """Take it apart."""
    parts = urlsplit(url)
    path = parts.path or ""
    user, password = parts.username, parts.password
    return urlparts(
        parts.scheme,
        unquote(parts.hostname) if parts.hostname else None,
        parts.port,
        unquote(user) if user else None,
        unquote(password) if password else None,
        unquote(path.removeprefix("/")) or None,
        dict(parse_qsl(parts.query)),
    )


def parse_url(url: str) -> dict[str, Any]:
    """Take it apart, under the names that ``Connection`` has for its parts; the query's keys stand beside them."""
    scheme, host, port, user, password, path, query = url_to_parts(url)
    known = {"userid": user, "password": password, "hostname": host, "port": port, "virtual_host": path}
    return {"transport": scheme, **known, **query}


def as_url(
    scheme: str,
    host: str | None = None,
    port: int | None = None,
    user: str | None = None,
    password: str | None = None,
    path: str | None = None,
    query: dict[str, str] | None = None,
    sanitize: bool = False,
    mask: str = "**",
) -> str:
    """Put one together; with ``sanitize``, with ``mask`` in place of the password."""
    shown = f":{mask if sanitize else quote(password, safe='')}" if password else ""
    who = f"{quote(user or '', safe='')}{shown}@" if user or password else ""
    where = f"{quote(host, safe='') if host else ''}{f':{port}' if port else ''}"
    return f"{scheme}://{who}{where}/{quote(path or '', safe='')}{f'?{urlencode(query)}' if query else ''}"


def sanitize_url(url: str, mask: str = "**") -> str:
    """The URL with ``mask`` in place of its password."""
    parts = url_to_parts(url)
    return as_url(*parts, sanitize=True, mask=mask)


def maybe_sanitize_url(url: Any, mask: str = "**") -> Any:
    """``sanitize_url`` of what looks like a URL; anything else as it is."""
    return sanitize_url(url, mask) if isinstance(url, str) and "://" in url else url


def parse_ssl_cert_reqs(query_value: str | None) -> Any:
    """What ``ssl_cert_reqs`` in a query means. Raises ``KeyError`` for another word."""
    if query_value is None:
        return None
    known = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE, "": None}
    return known[query_value.removeprefix("CERT_").lower()]
