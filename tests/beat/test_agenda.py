"""The agenda: a hundred thousand entries cost what is due, counted in looks and not in seconds."""

import random
from typing import Any

import pytest

from umbel.beat import Agenda, agenda
from umbel.core.schedule.catchup import look
from umbel.core.schedule.entry import Entry, read
from umbel.core.timetable import Mark

T0 = 1_795_000_000.0


def entry(name: str, seconds: float, **keys: Any) -> Entry:
    return read(name, {"task": "t", "schedule": seconds, **keys})


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The entries that were looked at."""
    names: list[str] = []

    def counted(one: Entry, *args: Any, **keys: Any) -> Any:
        names.append(one.name)
        return look(one, *args, **keys)

    monkeypatch.setattr(agenda, "look", counted)
    return names


def taken(made: Agenda, now: float) -> list[tuple[str, list[float]]]:
    found = []
    for one, view in made.take(now):
        found.append((one.name, [tick.due - T0 for tick in view.ticks]))
        made.done(one.name, Mark(view.ticks[-1].mark, 1), now)
    return found


def test_entries_come_in_the_order_in_which_they_are_due() -> None:
    made = Agenda(grace=20)
    for name, seconds in (("c", 30), ("a", 10), ("b", 20)):
        made.put(entry(name, seconds), Mark(T0, 0), T0)
    assert made.next_time() == T0 + 10
    assert taken(made, T0 + 9) == []
    assert taken(made, T0 + 20) == [("a", [10.0, 20.0]), ("b", [20.0])]
    assert made.next_time() == T0 + 30


def test_what_is_taken_is_not_taken_again_before_it_is_done() -> None:
    made = Agenda(grace=20)
    made.put(entry("a", 10), Mark(T0, 0), T0)
    assert len(list(made.take(T0 + 10))) == 1
    assert list(made.take(T0 + 15)) == []
    made.put(entry("a", 5), Mark(T0, 0), T0 + 15)  # changed meanwhile
    assert made.next_time() is None
    made.done("a", None, T0 + 15)
    assert [name for name, _ in taken(made, T0 + 15)] == ["a"]


def test_a_change_forgets_the_time_before_and_a_deleted_one_never_comes() -> None:
    made = Agenda(grace=20)
    made.put(entry("a", 10), Mark(T0, 0), T0)
    made.put(entry("a", 100), Mark(T0, 0), T0)
    made.put(entry("b", 10), Mark(T0, 0), T0)
    made.drop("b")
    made.put(entry("p", 10, enabled=False), Mark(T0, 0), T0)
    assert made.next_time() == T0 + 100
    assert len(made) == 2
    made.drop("nobody")


def test_of_a_hundred_thousand_only_those_are_looked_at_that_are_due_or_changed(looks: list[str]) -> None:
    made, dice = Agenda(grace=20), random.Random(7)
    for number in range(100_000):
        made.put(entry(f"e{number}", 3600.0), Mark(T0 - dice.random() * 3600, 0), T0)
    looks.clear()
    made.put(entry("e7", 1800.0), Mark(T0, 0), T0)
    assert looks == ["e7"]
    looks.clear()
    due = taken(made, T0 + 1)
    assert 0 < len(due) < 100
    assert len(looks) <= 3 * len(due)


def test_the_heap_does_not_grow_with_changes() -> None:
    made = Agenda(grace=20)
    for number in range(10_000):
        made.put(entry("a", 1000 + number), Mark(T0, 0), T0)
    assert len(made._heap) < 200
