"""The end of a command line, ``-- task.time_limit=30 .concurrency=4``: settings for this run. Celery's grammar."""

import re
from typing import Any

import click
import msgspec

from umbel.app.config import Config
from umbel.core.errors import ImproperlyConfigured

CAST = re.compile(r"\((\w+)\)(.*)", re.DOTALL)
CASTS = {"str": str, "string": str, "any": str, "int": int, "float": float, "bool": str}
JSON = ("json", "list", "tuple", "dict")


def tail(context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> dict[str, Any]:
    """The settings that the words name. A name that begins with a dot belongs to the command: ``.concurrency``."""
    return dict(_setting(word, str(context.command.name)) for word in words)


def assign(conf: Config, settings: dict[str, Any]) -> None:
    """Set them. Raises ``UsageError`` for a name that no setting has, or a value that it cannot have."""
    for name, value in settings.items():
        if name not in Config.TABLE:
            raise click.UsageError(f"there is no setting {name!r}")
        try:
            conf.assign(name, value)
        except ImproperlyConfigured as error:
            raise click.UsageError(str(error)) from error


def _setting(word: str, namespace: str) -> tuple[str, Any]:
    name, equals, text = word.partition("=")
    if not equals or not name.strip("._"):
        raise click.UsageError(f"{word!r} is no setting: write name=value")
    name = name.lower().replace(".", "_")
    return (f"{namespace}{name}" if name.startswith("_") else name), _value(word, text)


def _value(word: str, text: str) -> Any:
    """The text itself, which the setting reads; or what ``(type)`` before it makes of it."""
    cast = CAST.fullmatch(text)
    if cast is None:
        return text
    kind, rest = cast.groups()
    try:
        return msgspec.json.decode(rest) if kind in JSON else CASTS[kind](rest)
    except KeyError:
        raise click.UsageError(f"{word!r}: there is no type {kind!r}; there is {', '.join([*CASTS, *JSON])}") from None
    except ValueError as error:
        raise click.UsageError(f"{word!r}: {error}") from None
