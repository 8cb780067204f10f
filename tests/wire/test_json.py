"""JSON: what kombu wrote is read, what we write kombu reads, and what is plain is what the standard library writes."""

import collections
import enum
import json as stdlib
import math
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.golden import GOLDEN
from umbel.core.errors import DecodeError, EncodeError
from umbel.wire import json

UUID_ = uuid.UUID("11111111-2222-3333-4444-555555555555")

VALUES = {
    "datetime": datetime(2026, 11, 20, 15, 36, 22, 847286, tzinfo=UTC),
    "naive": datetime(2026, 11, 20, 15, 36, 22),
    "date": date(2026, 11, 20),
    "time": time(15, 36, 22, 5),
    "decimal": Decimal("12.50"),
    "uuid": UUID_,
    "bytes": b"plain",
    "base64": b"\xff\x00\xfe",
    "big": 2**80,
    "negative": -(2**63) - 1,
    "float": 0.1,
    "text": "gr\u00fc\u00df \U0001f33f \ud800",
}


@pytest.mark.parametrize("name", sorted(VALUES))
def test_what_kombu_wrote_is_read(name: str) -> None:
    value = json.loads(GOLDEN["values"][name])
    assert value == VALUES[name]
    assert type(value) is type(VALUES[name])


@pytest.mark.parametrize("name", sorted(VALUES))
def test_we_write_what_kombu_writes(name: str) -> None:
    # Spaces and escapes apart, which the readers do not see.
    assert stdlib.loads(json.dumps(VALUES[name])) == stdlib.loads(GOLDEN["values"][name])


def test_keys_are_written_as_kombu_writes_them() -> None:
    value = {7: "int", 2.5: "float", True: "bool", None: "none"}
    assert stdlib.loads(json.dumps(value)) == stdlib.loads(GOLDEN["values"]["keys"])


def test_numbers_that_json_has_not_are_written_as_kombu_writes_them() -> None:
    assert json.dumps([math.nan, math.inf, -math.inf]) == GOLDEN["values"]["nan"].encode()
    nan, *rest = json.loads(GOLDEN["values"]["nan"])
    assert math.isnan(nan)
    assert rest == [math.inf, -math.inf]


def test_tuples_become_lists() -> None:
    assert json.dumps((1, (2,))) == b"[1,[2]]"


# The plain tree, as the standard library has it

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(categories=["L", "N", "P", "S", "Cs"]))
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)
ODD_KEYS = st.dictionaries(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), PLAIN)


def same(one: object, other: object) -> bool:
    return stdlib.dumps(one, sort_keys=True) == stdlib.dumps(other, sort_keys=True)


@given(PLAIN)
def test_plain_values_read_back_as_the_standard_library_would(value: object) -> None:
    assert same(json.loads(json.dumps(value)), stdlib.loads(stdlib.dumps(value)))


@given(PLAIN)
def test_each_side_reads_what_the_other_writes(value: object) -> None:
    assert same(stdlib.loads(json.dumps(value)), json.loads(stdlib.dumps(value)))


@given(ODD_KEYS)
def test_keys_are_those_of_the_standard_library(value: object) -> None:
    assert same(stdlib.loads(json.dumps(value)), stdlib.loads(stdlib.dumps(value)))


WRAPPED = (
    st.datetimes(timezones=st.none() | st.just(UTC))
    | st.dates()
    | st.times()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.binary()
)
TREES = st.recursive(
    WRAPPED | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(TREES)
def test_wrapped_types_survive_anywhere_in_a_tree(value: object) -> None:
    assert json.loads(json.dumps(value)) == value


# Subclasses, as the standard library writes them


class Colour(str, enum.Enum):  # noqa: UP042  what people have
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not this"


class Number(int):
    def __repr__(self) -> str:
        return "not this"


class Share(float):
    pass


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "value",
    [
        Colour.RED,
        Level.HIGH,
        Text("this"),
        Number(5),
        Share(0.5),
        Share("nan"),
        Point(1, [2]),
        collections.OrderedDict(a=1),
        collections.defaultdict(list, a=[1]),
        {Text("this"): Level.HIGH, Level.HIGH: 1, Colour.RED: Colour.RED},
        [10**30, 0.5, "\udfff"],
    ],
    ids=lambda value: type(value).__name__,
)
def test_subclasses_are_written_as_the_standard_library_writes_them(value: object) -> None:
    assert same(stdlib.loads(json.dumps(value)), stdlib.loads(stdlib.dumps(value)))


def test_an_object_may_say_itself_what_it_is_in_json() -> None:
    class Money:
        def __json__(self) -> object:
            return {"amount": Decimal("1.5")}

    assert json.loads(json.dumps([Money()])) == [{"amount": Decimal("1.5")}]


# What cannot be written is named, and where it is


class Plain(enum.Enum):
    A = 1


def a_function() -> None:
    pass


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        ({1}, (), "builtins.set cannot be written as JSON; pass a list"),
        ([timedelta(1)], (0,), "datetime.timedelta cannot be written as JSON; pass its seconds"),
        ({"a": [1, {"b": Plain.A}]}, ("a", 1, "b"), "pass its value"),
        (
            [1, {"callback": a_function}],
            (1, "callback"),
            "builtins.function cannot be written as JSON; pass plain data",
        ),
        ((bytearray(b"x"),), (0,), "pass bytes"),
        ({"a": {(1, 2): 3}}, ("a", (1, 2)), "a key of type tuple cannot be written as JSON; use text"),
        ({"a": {date(2026, 1, 1): 3}}, ("a", date(2026, 1, 1)), "a key of type date"),
        ([2**40000], (), "digits"),
    ],
)
def test_what_cannot_be_written_is_named(value: object, path: tuple[object, ...], reason: str) -> None:
    with pytest.raises(EncodeError, match=reason) as caught:
        json.dumps(value)
    assert caught.value.path == path


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    for value in (loop, [loop, object], [loop, math.nan]):
        with pytest.raises(EncodeError, match="contains itself"):
            json.dumps(value)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1,]", "not JSON"),
        (b'"\xff"', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"__type__":"pickle","__value__":"x"}', "unknown wrapped type 'pickle'; known are datetime"),
        (b'{"__type__":["a"],"__value__":"x"}', "unknown wrapped type"),
        (b'{"__type__":"datetime","__value__":"soon"}', "'soon' is no datetime"),
        (b'{"__type__":"uuid","__value__":{"hex":5}}', "is no uuid"),
        (b'{"__type__":"decimal","__value__":"x"}', "is no decimal"),
        (b'{"__type__":"bytes","__value__":5}', "is no bytes"),
    ],
)
def test_what_cannot_be_read_is_a_decode_error(data: bytes, text: str) -> None:
    with pytest.raises(DecodeError, match=text):
        json.loads(data)


def test_only_a_mapping_of_exactly_the_two_keys_is_a_wrapped_type() -> None:
    text = '{"__type__": "datetime", "__value__": "x", "more": 1}'
    assert json.loads(text) == {"__type__": "datetime", "__value__": "x", "more": 1}
    assert json.loads('{"__type__": "datetime"}') == {"__type__": "datetime"}


def test_text_is_read_as_well_as_bytes() -> None:
    assert json.loads('{"__type__": "date", "__value__": "2026-11-20"}') == date(2026, 11, 20)
    assert json.loads('["\u00fc"]') == ["\u00fc"]
