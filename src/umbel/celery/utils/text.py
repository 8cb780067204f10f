"""Celery's ``utils.text``: text cut, joined and filled. Pure."""

import re
import textwrap
from collections.abc import Iterable, Mapping
from functools import partial
from pprint import pformat
from re import Pattern
from typing import Any


def str_to_list(s: Any) -> list[str]:
    """The parts between commas; a list as it is."""
    return s.split(",") if isinstance(s, str) else s


def dedent_initial(s: str, n: int = 4) -> str:
    """Without up to ``n`` spaces at the start."""
    return s[n:] if s[:n] == " " * n else s


def dedent(s: str, sep: str = "\n") -> str:
    """Each line without four spaces at its start."""
    return sep.join(dedent_initial(line) for line in s.splitlines())


def fill_paragraphs(s: str, width: int, sep: str = "\n") -> str:
    """Its paragraphs, broken at ``width``."""
    return sep.join(textwrap.fill(paragraph, width) for paragraph in s.split(sep))


def join(l: Iterable[str], sep: str = "\n") -> str:  # noqa: E741  Celery's name
    """Those that are not empty, with ``sep`` between them."""
    return sep.join(part for part in l if part)


def ensure_sep(sep: str, s: str, n: int = 2) -> str:
    """The text with ``sep`` at its end, ``n`` times in all."""
    return s + sep * (n - s.count(sep))


ensure_newlines = partial(ensure_sep, "\n")


def abbr(S: str | None, max: int, ellipsis: str | bool = "...") -> str:
    """At most ``max`` characters of it, ``ellipsis`` included."""
    if S is None:
        return "???"
    if len(S) <= max:
        return S
    mark = "..." if ellipsis is True else ellipsis or ""
    return S[: max - len(mark)] + mark


def abbrtask(S: str | None, max: int) -> str:
    """A task's name in at most about ``max`` characters: its modules are cut, its last part is kept."""
    if S is None:
        return "???"
    if len(S) <= max:
        return S
    module, _, name = S.rpartition(".")
    return f"{abbr(module, max - len(name), False)[: max - len(name) - 3] if module else ''}[.]{name}"


def indent(t: str, indent: int = 0, sep: str = "\n") -> str:
    """Each line with so many spaces before it."""
    return sep.join(" " * indent + line for line in t.split(sep))


def truncate(s: str, maxlen: int = 128, suffix: str = "...") -> str:
    """At most about ``maxlen`` characters, and ``suffix`` for the rest."""
    return s[:maxlen].rsplit(" ", 1)[0] + suffix if maxlen and len(s) >= maxlen else s


def pluralize(n: float, text: str, suffix: str = "s") -> str:
    """The word, with ``suffix`` unless ``n`` is one."""
    return text + suffix if n != 1 else text


def pretty(value: Any, width: int = 80, nl_width: int = 80, sep: str = "\n", **kw: Any) -> str:
    """A value for people to read."""
    if isinstance(value, dict):
        return f"{sep} {pformat(value, 4, nl_width)[1:]}"
    if isinstance(value, tuple):
        return f"{sep}{' ' * 4}{pformat(value, width=nl_width, **kw)}"
    return pformat(value, width=width, **kw)


def match_case(s: str, other: str) -> str:
    """The text in upper or lower case, as the other is."""
    return s.upper() if other.isupper() else s.lower()


def simple_format(
    s: Any, keys: Mapping[str, Any], pattern: Pattern[str] = re.compile(r"%([%\w])"), expand: str = r"\1"
) -> Any:
    """The text with ``%x`` replaced by ``keys["x"]``, or by what that returns. Raises ``ValueError`` for others."""
    if not s:
        return s
    known = {"%": "%", **keys}

    def of(match: re.Match[str]) -> str:
        name = match.expand(expand)
        try:
            value = known[name]
        except KeyError:
            raise ValueError(f"{s!r}: there is no %{name}; there is {', '.join(f'%{key}' for key in known)}") from None
        return str(value() if callable(value) else value)

    return pattern.sub(of, s)


def remove_repeating_from_task(task_name: str, s: str) -> str:
    """The text without the module of the task wherever it stands before a name."""
    module = task_name.rpartition(".")[0]
    return s.replace(f"{module}.", "") if module else s
