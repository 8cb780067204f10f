"""Waits double, stay under their maximum, and are spread by the dice that are handed in."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.core.backoff import retry_delay


@pytest.mark.parametrize(
    ("retries", "factor", "maximum", "delay"),
    [
        (0, 1, 600, 1),
        (1, 1, 600, 2),
        (5, 1, 600, 32),
        (10, 1, 600, 600),
        (3, 5, 600, 40),
        (3, 0, 600, 0),
        (0, -4, 600, 0),
        (2, 1, -1, 0),
        (100_000, 1, 600, 600),
    ],
)
def test_without_jitter_it_doubles_up_to_the_maximum(retries: int, factor: float, maximum: float, delay: float) -> None:
    assert retry_delay(retries, factor=factor, maximum=maximum, jitter=None) == delay


def test_full_jitter_is_a_whole_number_of_seconds_and_takes_every_value() -> None:
    dice = Random(1)
    drawn = {retry_delay(2, factor=1, maximum=600, jitter=dice) for _ in range(200)}
    assert drawn == {0.0, 1.0, 2.0, 3.0, 4.0}


@given(st.integers(0, 10**6), st.floats(0, 1e6), st.floats(0, 1e6), st.integers())
def test_it_is_never_negative_and_never_over_the_maximum(
    retries: int, factor: float, maximum: float, seed: int
) -> None:
    plain = retry_delay(retries, factor=factor, maximum=maximum, jitter=None)
    assert 0 <= retry_delay(retries, factor=factor, maximum=maximum, jitter=Random(seed)) <= plain <= maximum
