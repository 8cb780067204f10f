"""Small rooms: argument texts, nearest names, ids, task loggers, handles across a fork."""

import logging
import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel import Umbel, get_task_logger
from umbel.app import request
from umbel.app.argsrepr import LIMIT, short
from umbel.app.log import TaskFormatter
from umbel.app.nearest import distance, nearest
from umbel.core.message import Headers, Message, Properties

# Arguments as text ----------------------------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(values, max_size=5))
def test_short_text_is_never_longer_than_its_limit(args: list[Any]) -> None:
    assert len(short(tuple(args))) <= LIMIT


@given(st.lists(st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=3), max_size=5))
def test_small_arguments_are_shown_as_python_shows_them(args: list[Any]) -> None:
    assert short(tuple(args)) == repr(tuple(args))
    assert short({str(n): value for n, value in enumerate(args)}) == repr({str(n): v for n, v in enumerate(args)})


class Broken:
    def __repr__(self) -> str:
        raise ValueError


def test_a_broken_repr_is_no_error() -> None:
    assert short((1, Broken())) == "(1, <Broken: its repr raised ValueError>)"


def test_what_contains_itself_ends() -> None:
    knot: list[Any] = []
    knot.append(knot)
    assert short((knot,)) == "([[[...]]],)"


def test_a_million_elements_cost_as_little_as_a_hundred() -> None:
    looked: list[int] = []

    class Counting:
        def __repr__(self) -> str:
            looked.append(1)
            return "x"

    short(([Counting()] * 1_000_000,))
    assert len(looked) < LIMIT


# Names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "away"), [("", "ab", 2), ("queue", "queue", 0), ("que", "queue", 2), ("ab", "ba", 1), ("abc", "axcd", 2)]
)
def test_distance(a: str, b: str, away: int) -> None:
    assert distance(a, b) == distance(b, a) == away


def test_nearest_is_within_two_letters_or_nothing() -> None:
    assert nearest("expire", ["expires", "eta"]) == "expires"
    assert nearest("something", ["expires", "eta"]) is None


# Logging --------------------------------------------------------------------------------------------------------------


def test_lines_of_a_task_logger_carry_the_running_task() -> None:
    logger = get_task_logger("tests.some_module")
    assert logger.parent is logging.getLogger("celery.task")
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TaskFormatter("%(task_name)s[%(task_id)s]: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        logger.info("before")
        token = request.push(request.Context(Message(Headers("tasks.job", "one"), Properties(), b"")))
        logger.info("inside")
        request.pop(token)
    finally:
        logger.removeHandler(handler)
    assert stream.getvalue() == "???[???]: before\ntasks.job[one]: inside\n"


def test_task_loggers_keep_their_own_hierarchy() -> None:
    parent, child = get_task_logger("tests.outer"), get_task_logger("tests.outer.inner")
    assert child.parent is parent


# Forks ----------------------------------------------------------------------------------------------------------------


def test_a_forked_child_publishes_on_a_connection_of_its_own(db_url: str) -> None:
    with Umbel("forked", broker=db_url) as app:
        first = app.send_task("job")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                result = app.send_task("job")
                status = 0 if result.id != first.id and result.state == "PENDING" else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        app.send_task("job")
        (depth,) = app.sync_producer.survey(["celery"])
        assert depth.ready == 3


# What is kept between calls -------------------------------------------------------------------------------------------


def test_what_does_not_change_between_two_calls_is_made_once(app: Umbel) -> None:
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    app.client.build(add, (2, 2))
    plan = add.plan
    app.client.build(add, (2, 2), {}, {"countdown": 3})
    assert add.plan is plan
    app.conf.task_default_queue = "other"
    app.client.build(add, (2, 2))
    assert add.plan is not plan


def test_the_broker_and_the_store_are_opened_once_per_place(app: Umbel, tmp_path: Path) -> None:
    broker, producer, store = app.broker, app.sync_producer, app.store
    app.conf.task_time_limit = 3
    assert (app.broker, app.sync_producer, app.store) == (broker, producer, store)
    app.conf.broker_url = f"sqlite:///{tmp_path / 'other.db'}"
    assert app.broker is not broker
    assert app.store is not store
    app.close()
    assert app.broker.url.endswith("other.db")  # it opens again


# Where the database is ------------------------------------------------------------------------------------------------


def test_the_default_database_is_beside_the_package(folder: Path, module: Callable[..., Path]) -> None:
    module("proj.__init__", "from umbel import Umbel\napp = Umbel('proj', set_as_current=False)\n")
    namespace: dict[str, Any] = {}
    exec("import proj", namespace)
    app = namespace["proj"].app
    assert app.broker.url == f"sqlite:///{folder / 'umbel.db'}"
    assert app.store.url == app.broker.url
    assert not (folder / "umbel.db").exists()  # nothing is made before it is needed
