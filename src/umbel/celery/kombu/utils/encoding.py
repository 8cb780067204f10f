"""kombu's ``utils.encoding``: text and bytes, and ``str`` and ``repr`` that do not raise. Pure."""

from typing import Any

from umbel.celery import offered


def str_to_bytes(s: Any) -> Any:
    """Text as UTF-8; anything else as it is."""
    return s.encode() if isinstance(s, str) else s


ensure_bytes = str_to_bytes


def bytes_to_str(s: Any) -> Any:
    """Bytes as the text that they are in UTF-8; anything else as it is."""
    return s.decode("utf-8", "replace") if isinstance(s, bytes) else s


def from_utf8(s: Any, *args: Any, **kwargs: Any) -> Any:
    """Text as it is."""
    return s


def default_encoding(file: Any = None) -> str:
    """The encoding of text."""
    return "utf-8"


def default_encode(obj: Any) -> Any:
    """Text as it is."""
    return obj


def safe_str(s: Any, errors: str = "replace") -> str:
    """``str`` of it, whatever its own code raises."""
    if isinstance(s, bytes):
        return s.decode("utf-8", errors)
    try:
        return str(s)
    except Exception as error:  # noqa: BLE001  user code
        return f"<Unrepresentable {type(s)!r}: {error!r}>"


def safe_repr(o: Any, errors: str = "replace") -> str:
    """``repr`` of it, whatever its own code raises."""
    try:
        return repr(o)
    except Exception as error:  # noqa: BLE001  user code
        return f"<Unrepresentable {type(o)!r}: {error!r}>"


__getattr__ = offered.names_not_in(__name__)
