"""Checkpoints and effects that are had once, where a task is called without a message, or without a store."""

from typing import Any

import pytest

from umbel import Task, Umbel
from umbel.core.errors import EncodeError


@pytest.fixture
def app() -> Umbel:
    return Umbel("kept", broker="memory://", backend="memory://", set_as_current=False)


def test_a_plain_call_has_no_next_attempt(app: Umbel) -> None:
    @app.task(bind=True)
    def long(self: Task[..., Any]) -> list[Any]:
        before = self.request.checkpoint
        self.checkpoint([1, 2])
        firsts = []
        for _ in range(2):
            with self.once("mail") as first:
                firsts.append(first)
        return [before, self.request.checkpoint, firsts, self.should_stop]

    assert long() == [None, [1, 2], [True, True], False]
    assert long.apply().get() == [None, [1, 2], [True, True], False]
    assert long() == [None, [1, 2], [True, True], False], "nothing stays"


def test_what_json_cannot_hold_is_refused_where_it_is_saved(app: Umbel) -> None:
    @app.task(bind=True)
    def long(self: Task[..., Any]) -> None:
        self.checkpoint(object())

    with pytest.raises(EncodeError):
        long()
