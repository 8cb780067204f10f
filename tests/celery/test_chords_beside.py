"""Chords whose results go to a backend in Celery's shape: they are joined beside the broker."""

from typing import Any

import pytest

from umbel.celery import Celery, chain, chord, group
from umbel.celery.backends.base import KeyValueStoreBackend
from umbel.celery.exceptions import ChordError

KEPT: dict[str, bytes] = {}


class Dictionary(KeyValueStoreBackend):
    """A backend that can do no more than any backend can."""

    def get(self, key: Any) -> bytes | None:
        return KEPT.get(_text(key))

    def mget(self, keys: Any) -> list[bytes | None]:
        return [self.get(key) for key in keys]

    def set(self, key: Any, value: Any) -> None:
        KEPT[_text(key)] = value if isinstance(value, bytes) else value.encode()

    def delete(self, key: Any) -> None:
        KEPT.pop(_text(key), None)


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)


@pytest.fixture
def url(broker: str, request: pytest.FixtureRequest) -> str:
    """The broker's; a server is there only if it is asked for."""
    return "memory://chords" if broker == "memory" else str(request.getfixturevalue(broker))


@pytest.mark.parametrize("broker", ["memory", "db_url", "redis_url"])
def test_chords_of_every_shape_come_to_their_value(url: str) -> None:
    KEPT.clear()
    app = Celery("chords", broker=url, backend=f"{__name__}:Dictionary", set_as_current=False)

    @app.task
    def double(x: int) -> int:
        return 2 * x

    @app.task
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @app.task
    def refuse(x: int) -> int:
        raise ValueError(x)

    with app, app.Worker(pool="solo"):
        assert chord([double.s(n) for n in range(4)], total.s())().get(timeout=30) == 12
        assert chain(double.s(1), group(double.s(), double.s()), total.s())().get(timeout=30) == 8
        failed = chord([double.s(1), refuse.s(2)], total.s())()
        with pytest.raises(ChordError, match=r"raised ValueError\(2\)"):
            failed.get(timeout=30)
    assert len([key for key in KEPT if "task-meta" in key]) >= 10
