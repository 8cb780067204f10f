from typing import Any

import pytest

from umbel.core.delivery import Revocation
from umbel.core.message import Headers
from umbel.core.revoking import Marks, by_root, by_stamp, by_stamps


def marks(**found: str | None) -> Marks:
    return Marks({id: Revocation(id, terminate) for id, terminate in found.items()})


def of(*texts: str, terminate: str | None = None) -> Marks:
    return Marks({text: Revocation(text, terminate) for text in texts})


def headers(id: str, root_id: str | None = None, **stamps: Any) -> Headers:
    return Headers("t", id, root_id=root_id, stamps=stamps, stamped_headers=list(stamps))


def test_without_marks_nothing_is_hit() -> None:
    assert not Marks()
    assert Marks().hit(headers("a", order="A-7")) is None


def test_a_mark_by_id_hits_that_task() -> None:
    assert marks(a=None).hit(headers("a")) == Revocation("a")
    assert marks(a=None).hit(headers("b", root_id="a")) is None


@pytest.mark.parametrize("stamp", ["A-7", ["A-6", "A-7"], ("A-7",)])
def test_a_stamp_hits_whoever_carries_it(stamp: Any) -> None:
    found = of(*by_stamps({"order": ["A-7", "A-8"], "tenant": "x"}))
    assert found.hit(headers("a", order=stamp))
    assert found.hit(headers("a", tenant="x", order="other"))
    assert found.hit(headers("a", tenant="A-7", other="x")) is None
    assert found.hit(Headers("t", "a", stamps=None)) is None


def test_values_of_stamps_are_compared_as_text() -> None:
    assert of(*by_stamps({"order": "7"})).hit(headers("a", order=7))


def test_a_root_hits_itself_and_all_that_it_led_to() -> None:
    found = of(by_root("root"))
    assert found.hit(headers("root"))
    assert found.hit(headers("a", root_id="root"))
    assert found.hit(headers("a", root_id="other")) is None


def test_of_several_marks_the_one_that_ends_what_runs_wins() -> None:
    both = Marks({"a": Revocation("a"), by_stamp("order", 1): Revocation("", "SIGKILL")})
    hit = both.hit(headers("a", order=1))
    assert hit is not None
    assert hit.terminate == "SIGKILL"
    assert both.of_many(terminating=True) == {by_stamp("order", 1)}
    assert of(by_root("a")).of_many(terminating=True) == frozenset()


@pytest.mark.parametrize("headers", [{}, "order=A-7", ["order"]])
def test_what_is_no_mapping_of_stamps_is_refused(headers: Any) -> None:
    with pytest.raises(TypeError, match="mapping of stamps"):
        by_stamps(headers)
