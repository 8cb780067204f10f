"""What must not run: marks by task id, by stamp, and by root. Pure; brokers keep a mark as one text.

A mark by id is the id. A mark for many tasks begins with a character that no id begins with, so every broker keeps it
as it keeps an id: ``␟stamp␟NAME␟VALUE``, and ``␟root␟ID`` for a task and all that it led to and will lead to.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from umbel.core.delivery import Revocation
from umbel.core.message import Headers
from umbel.core.signature import listed

_SEPARATOR = "\x1f"


def by_stamp(name: str, value: Any) -> str:
    """The text of a mark for all tasks that carry this stamp. Values are compared as text."""
    return _SEPARATOR.join(("", "stamp", name, str(value)))


def by_root(task_id: str) -> str:
    """The text of a mark for a task and everything that has it as its root."""
    return _SEPARATOR.join(("", "root", task_id))


def by_stamps(headers: Mapping[str, Any]) -> list[str]:
    """The texts of marks for all tasks that carry any of these stamps. A value may be a list: any of them."""
    if not isinstance(headers, Mapping) or not headers:
        raise TypeError(f'headers is a mapping of stamps to values, {{"order": "A-7"}}, not {headers!r}')
    return [by_stamp(name, value) for name, values in headers.items() for value in _values(values)]


def _values(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple | set | frozenset) else [values]


class Marks:
    """The marks that are in force. False where there are none."""

    __slots__ = ("_marks", "_of_many", "_stamps")

    def __init__(self, marks: Mapping[str, Revocation] | None = None) -> None:
        self._marks = marks or {}
        of_many = [text.split(_SEPARATOR) for text in self._marks if text.startswith(_SEPARATOR)]
        self._of_many = bool(of_many)
        self._stamps = frozenset(words[2] for words in of_many if words[1] == "stamp")

    def __bool__(self) -> bool:
        return bool(self._marks)

    def of_many(self, *, terminating: bool) -> frozenset[str]:
        """The texts of the marks that are not for one id; only those that end what runs, if ``terminating``."""
        if not self._of_many:
            return frozenset()
        found = self._marks.items()
        return frozenset(
            text for text, mark in found if text.startswith(_SEPARATOR) and (mark.terminate or not terminating)
        )

    def of(self, task_id: str) -> Revocation | None:
        """The mark by id."""
        return self._marks.get(task_id)

    def hit(self, headers: Headers) -> Revocation | None:
        """A mark that the task with these headers falls under: one that ends it where it runs, if there is one."""
        found = self._marks.get(headers.id)
        if not self._of_many or (found is not None and found.terminate):
            return found
        for text in self._texts(headers):
            mark = self._marks.get(text)
            if mark is not None and (found is None or mark.terminate):
                found = mark
        return found

    def _texts(self, headers: Headers) -> Iterable[str]:
        yield by_root(headers.root_id or headers.id)
        stamps = headers.stamps or {}
        for name in self._stamps.intersection(stamps):
            for value in listed(stamps[name]) if isinstance(stamps[name], list | tuple) else [stamps[name]]:
                yield by_stamp(name, value)
