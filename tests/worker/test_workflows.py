"""Workflows in real workers: what follows a task follows, once, and whoever waits hears of every end."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.fleet import Farm
from tests.worker.workflows import chain, chord, group, send, sig

SHAPES: list[tuple[Any, Any]] = [
    (chain(sig("add", 1, 2), sig("add", 3), sig("add", 4)), 10),
    (chain(sig("add", 1, 2), sig("add", 3, 4, immutable=True)), 7),
    (chain(sig("add", 1, 2), group(sig("add", 10), sig("add", 20))), [13, 23]),
    (group(sig("add", 1, 1), group(sig("add", 2, 2), sig("add", 3, 3))), [2, 4, 6]),
    (chord([sig("add", n, n) for n in range(5)], sig("listed")), [[0, 2, 4, 6, 8]]),
    (chord([], sig("listed")), [[]]),
    (chain(group(sig("add", 1, 1), sig("add", 2, 2)), sig("listed"), sig("listed")), [[[2, 4]]]),
    (chain(sig("add", 1, 1), group(sig("add", 1), sig("add", 2)), sig("listed"), sig("listed", "x")), [[[3, 4]], "x"]),
    (
        chord([chain(sig("add", 1, 1), sig("add", 5)), sig("add", 0, 0)], chain(sig("listed"), sig("listed"))),
        [[[7, 0]]],
    ),
    (chord([chord([sig("add", 1, 1)], sig("listed")), sig("add", 0, 0)], sig("listed")), [[[[2]], 0]]),
    (
        chord(
            [sig("add", 1, 1), sig("add", 2, 2)],
            chord([sig("listed", "a"), sig("listed", "b")], chord([sig("listed"), sig("listed", 1)], sig("listed"))),
        ),
        [[[[[[2, 4], "a"], [[2, 4], "b"]]], [[[[2, 4], "a"], [[2, 4], "b"]], 1]]],
    ),
    (
        chord([chain(sig("add", 1, 1), group(sig("add", 1), sig("add", 2))), sig("add", 5, 5)], sig("listed")),
        [[[3, 4], 10]],
    ),
    (chord([sig("unstored", 1), sig("third_time", 2)], sig("listed")), [[1, 2]]),
    (chord([sig("add", 1, 1)], group(sig("listed", "a"), sig("listed", "b"))), [[[2], "a"], [[2], "b"]]),
]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_every_shape_gives_what_it_would_give_in_python(
    farm_with: Callable[..., Farm], tmp_path: Any, elsewhere: bool
) -> None:
    farm = farm_with(**({"backend": f"sqlite:///{tmp_path / 'elsewhere.db'}"} if elsewhere else {}))
    sent = [send(farm, shape) for shape, _ in SHAPES]
    farm.worker("-c", "2")
    values = [one.value() for one in sent]
    assert values == [expected for _, expected in SHAPES]
