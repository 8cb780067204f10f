"""What a workflow sends through Redis: little more than its tasks sent one by one, however many they are."""

from collections.abc import Callable

import pytest

from tests.redis.load import Load
from tests.worker.fleet import until
from umbel import chain, chord

MEMBERS = 10_000


@pytest.fixture
def small(load_at: Callable[..., Load], redis_url: str) -> Load:
    """As it comes, with leases long enough for a body of ten thousand."""
    return load_at(redis_url, worker_lease=30)


def waiting(load: Load) -> int:
    """The bytes of all that waits."""
    return sum(map(len, load.look.lrange("celery", 0, -1)))


@pytest.mark.slow
def test_a_chord_of_ten_thousand_sends_little_more_than_its_members(
    small: Load, record_property: Callable[[str, object], None]
) -> None:
    app = small.farm._app
    add, noted = app.signature("tests.worker.subjects.add"), app.signature("tests.worker.subjects.noted")
    with app.bulk():
        for n in range(1000):
            add.delay(n, n)
    plain = waiting(small) / 1000
    small.look.delete("celery")
    result = chord([add.clone((n, n)) for n in range(MEMBERS)], noted.clone(kwargs={"key": "body"}))()
    sent = waiting(small)
    record_property("bytes", f"{sent / MEMBERS:.0f} a member, {sent / MEMBERS / plain:.3f} of a plain message")
    assert sent <= 1.2 * MEMBERS * plain
    small.farm.worker("-c", "2")
    assert result.get(timeout=60) == [2 * n for n in range(MEMBERS)]
    assert len(small.farm.lines("start", "body")) == 1


def test_chords_in_a_chain_send_as_much_for_each_task_however_many_they_are(
    small: Load, record_property: Callable[[str, object], None]
) -> None:
    app, farm = small.farm._app, small.farm
    weighed = app.signature("tests.worker.subjects.weighed")
    farm.worker("-c", "2")
    found, told = {}, 0
    for count in (5, 20):
        links = [chord([weighed.clone((n,)) for n in range(10)], weighed) for _ in range(count)]
        assert chain(links).apply_async().get(timeout=30) == 1
        expected = told + 11 * count
        until(lambda expected=expected: len(farm.lines("weight")) == expected, what="all weights")  # type: ignore[misc]
        lines = farm.lines("weight")[told:]
        told += len(lines)
        found[count] = sum(int(line.words[1]) for line in lines)
    record_property("bytes", f"5 chords of 10: {found[5]}, 20: {found[20]}")
    assert found[20] <= 4.4 * found[5]
