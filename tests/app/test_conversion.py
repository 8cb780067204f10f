"""Tasks of models and types: plain data on the wire, what the annotations say in the function."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Optional
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest

from tests.app.conftest import Outbox
from umbel import Task, Umbel
from umbel.exceptions import EncodeError, ImproperlyConfigured

if TYPE_CHECKING:
    from fractions import Fraction as Unseen

ID = UUID("12345678123456781234567812345678")
WHEN = datetime(2026, 11, 26, tzinfo=UTC)


class Item(pydantic.BaseModel):
    count: int


class Special(Item):
    extra: int = 0


class Total(pydantic.BaseModel):
    sum: float


class Watched(pydantic.BaseModel):
    count: int

    @pydantic.field_validator("count")
    @classmethod
    def check(cls, count: int, info: pydantic.ValidationInfo) -> int:
        if info.context is None:
            raise ValueError("no context")
        return count + len(info.context)


class Mood(Enum):
    GOOD = "good"


@dataclass
class Order:
    number: int
    mood: Mood = Mood.GOOD
    parts: list["Part"] = field(default_factory=list)


@attrs.define
class Part:
    name: str
    price: Decimal


class Struct(msgspec.Struct):
    when: datetime


class Unknown:
    """Nobody knows how to write it."""


# pydantic=True --------------------------------------------------------------------------------------------------------


@pytest.fixture
def total(app: Umbel) -> Any:
    @app.task(pydantic=True)
    def total(
        item: Item,
        times: int = 1,
        other: Optional[Item] = None,  # noqa: UP045  as users write
        last: "Item | None" = None,
        *more: int,
    ) -> Total:
        assert all(type(one) in (Item, type(None)) for one in (item, other, last))
        return Total(sum=item.count * times + sum(more))

    return total


def test_models_are_sent_as_their_dump(total: Any, outbox: Outbox) -> None:
    total.delay(Item(count=2), 3, Item(count=4), {"count": 5}, 6)
    assert outbox.arguments() == ([{"count": 2}, 3, {"count": 4}, {"count": 5}, 6], {})
    total.delay(item=Item(count=2), other=None)
    assert outbox.arguments() == ([], {"item": {"count": 2}, "other": None})
    (total.s(Item(count=1)) | total.si({"count": 1})).delay()
    assert outbox.messages[-1].message.headers.argsrepr == "({'count': 1},)"


def test_in_the_worker_they_are_models_and_a_model_that_is_announced_is_returned_as_its_dump(total: Any) -> None:
    for given in ({"count": 2}, {"count": "2"}, Item(count=2)):
        assert total.apply((given, 2, None, None, 1)).get() == {"sum": 5.0}
    assert total(Item(count=2)) == {"sum": 2.0}
    failed = total.apply(({"count": "many"},)).result
    assert isinstance(failed, pydantic.ValidationError)


def test_what_the_model_cannot_be_made_of_again_is_left_to_the_serializer(total: Any) -> None:
    with pytest.raises(EncodeError, match=r"argument 1 \('item'\) of .*Special cannot be written"):
        total.delay(Special(count=1))


def test_the_options_of_pydantic(app: Umbel) -> None:
    @app.task(pydantic=True, pydantic_strict=True)
    def strict(item: Item) -> int:
        return item.count

    @app.task(pydantic=True, pydantic_dump_kwargs={"exclude_defaults": True})
    def dumped(item: Special) -> Special:
        return item

    @app.task(pydantic=True, pydantic_context={"mine": 1}, bind=True)
    def watched(self: Task[..., int], item: Watched) -> int:
        assert self.name.endswith("watched")
        return item.count

    assert isinstance(strict.apply(({"count": "1"},)).result, pydantic.ValidationError)
    assert strict.apply(({"count": 1},)).get() == 1
    result: Any = dumped.apply(({"count": 1, "extra": 0},)).get()
    assert result == {"count": 1}
    assert watched.apply(({"count": 1},)).get() == 1 + len({"mine", "celery_app", "celery_task_name"})


def test_a_model_that_is_not_announced_stays_a_model(app: Umbel) -> None:
    @app.task(pydantic=True)
    def quiet(item: Item):  # type: ignore[no-untyped-def]  # as users write
        return item

    @app.task(pydantic=True)
    def unseen(item: "Unseen", other: Item) -> "Unseen":
        return (item, other)  # type: ignore[return-value]  # nothing is known of it

    assert quiet.apply(({"count": 1},)).get() == Item(count=1)
    assert unseen.apply((1, {"count": 1})).get() == (1, Item(count=1))


def test_coroutines_too(app: Umbel) -> None:
    @app.task(pydantic=True)
    async def total(item: Item) -> Total:
        return Total(sum=item.count)

    result: Any = total.apply(({"count": 1},)).get()
    assert result == {"sum": 1.0}


def test_under_always_eager_models_pass_the_serializer(app: Umbel, total: Any) -> None:
    app.conf.task_always_eager = True
    assert total.delay(Item(count=3)).get() == {"sum": 3.0}


def test_what_cannot_be_meant_is_refused(app: Umbel, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match="choose one"):
        app.task(pydantic=True, typed=True)(print)
    with pytest.raises(ImproperlyConfigured, match=r"'typed' is an option of @app\.task, for functions"):
        app.register_task(type("Job", (Task,), {"run": lambda self: 1}), typed=True)
    monkeypatch.setitem(__import__("sys").modules, "pydantic", None)
    with pytest.raises(ImproperlyConfigured, match=r"pip install 'umbel\[pydantic\]'"):
        app.task(pydantic=True)(print)


# typed=True -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ship(app: Umbel) -> Any:
    @app.task(typed=True)
    def ship(
        order: Order, mood: Mood = Mood.GOOD, *ids: UUID, at: datetime | None = None, **more: Struct
    ) -> list[Order]:
        assert (type(order), type(mood)) == (Order, Mood)
        assert all(type(part) is Part for part in order.parts)
        assert all(type(one) is UUID for one in ids)
        assert all(type(one) is Struct for one in more.values())
        assert at is None or type(at) is datetime
        return [order]

    return ship


def test_what_the_annotations_name_is_sent_as_plain_data(ship: Any, outbox: Outbox) -> None:
    order = Order(1, Mood.GOOD, [Part("wheel", Decimal("1.5"))])
    ship.delay(order, Mood.GOOD, ID, at=WHEN, last=Struct(WHEN))
    args, kwargs = outbox.arguments()
    assert args == [{"number": 1, "mood": "good", "parts": [{"name": "wheel", "price": Decimal("1.5")}]}, "good", ID]
    assert kwargs == {"at": WHEN, "last": {"when": WHEN}}
    ship.delay({"number": 1, "mood": "good", "parts": []})
    assert outbox.arguments() == ([{"number": 1, "mood": "good", "parts": []}], {})


def test_in_the_worker_it_is_what_they_say(ship: Any, outbox: Outbox) -> None:
    order = Order(1, Mood.GOOD, [Part("wheel", Decimal("1.5"))])
    ship.delay(order, Mood.GOOD, ID, at=WHEN, last=Struct(WHEN))
    args, kwargs = outbox.arguments()
    assert ship.apply(args, kwargs).get() == [args[0]]
    plain = {"number": 1, "parts": [{"name": "wheel", "price": "1.5"}]}  # as somebody writes who knows only JSON
    assert ship.apply(
        (plain, "good", str(ID)), {"at": WHEN.isoformat(), "last": {"when": WHEN.isoformat()}}
    ).successful()
    assert ship(order) == [{"number": 1, "mood": "good", "parts": [{"name": "wheel", "price": Decimal("1.5")}]}]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda ship: ship.delay({"number": "1"}), r"argument 'order' of .*ship: Expected `int`, got `str`"),
        (lambda ship: ship.delay(Order(1), "bad"), "argument 'mood' of .*: Invalid enum value 'bad'"),
        (lambda ship: ship.delay(Order(1), Mood.GOOD, "x"), "argument 'ids' of .*: Invalid UUID"),
        (lambda ship: ship.delay(Order(1), at="soon"), "argument 'at' of "),
        (lambda ship: ship.delay(Order(1), last={}), "argument 'last' of .*`when`"),
        (lambda ship: ship.delay(Unknown()), "argument 'order' of .*: Unknown has no plain form"),
        (lambda ship: ship.delay(), "missing a required argument: 'order'"),
    ],
)
def test_a_wrong_argument_is_refused_before_it_is_sent(
    ship: Any, outbox: Outbox, call: Callable[[Any], Any], told: str
) -> None:
    with pytest.raises(TypeError, match=told):
        call(ship)
    assert outbox.messages == []


def test_what_another_sends_wrongly_fails_in_the_worker_with_the_arguments_name(ship: Any) -> None:
    failed = ship.apply(({"number": None},)).result
    assert isinstance(failed, TypeError)
    assert str(failed).startswith("argument 'order' of ")


def test_models_are_types_too_and_unannotated_values_pass(app: Umbel, outbox: Outbox) -> None:
    @app.task(typed=True, bind=True)
    def mixed(self: Task[..., Any], items: list[Item], anything, other: Any = None) -> Total:  # type: ignore[no-untyped-def]
        return Total(sum=sum(item.count for item in items) + len(anything))

    mixed.delay([Item(count=1)], [1, 2], other=Mood.GOOD)
    args, kwargs = outbox.arguments()
    assert (args, kwargs) == ([[{"count": 1}], [1, 2]], {"other": "good"})
    result: Any = mixed.apply(args, kwargs).get()
    assert result == {"sum": 3.0}
    with pytest.raises(TypeError, match=r"argument 'items' of .*mixed: count: Input should be a valid integer"):
        mixed.delay([{"count": "many"}], [])  # type: ignore[list-item]  # that is refused


def test_an_annotation_that_nothing_is_made_of_is_said(app: Umbel) -> None:
    @app.task(typed=True)
    def odd(unknown: Unknown) -> None: ...

    with pytest.raises(TypeError, match=r"argument 'unknown' of .*: Unknown is not made of 1"):
        odd.delay(1)  # type: ignore[arg-type]  # that is refused


def test_a_pickled_call_carries_what_it_is_given(ship: Any, outbox: Outbox) -> None:
    ship.apply_async((Order(1),), serializer="pickle")
    assert outbox.last.message.content_type == "application/x-python-serialize"


def test_tasks_without_it_have_nothing_to_look_at(app: Umbel) -> None:
    task = app.task(lambda x: x, name="plain")
    task.delay(1)
    assert task.conversion is None
    assert task.plan is not None
    assert task.plan.conversion is None
