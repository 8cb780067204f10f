"""Where calls go. Who wins was measured on Celery 5.7: the call over the task's attributes over the routes."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest

from umbel.core.errors import ImproperlyConfigured, QueueNotFound
from umbel.core.queues import Binding, Broadcast, Exchange, Queue, copy_of, find_queue, read_queues
from umbel.core.routing import Destination, Router


def by_function(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any], task: Any = None, **kw: Any
) -> dict[str, Any] | str | None:
    if name == "tasks.big" and args and args[0] > 100:
        return {"queue": "large", "priority": 1}
    return "named" if task == "the task" else None


ROUTES = [
    {
        "feed.tasks.import": {"queue": "import", "priority": 5},
        "feed.*": "feeds",
        re.compile(r"(video|image)\..*"): {"queue": "media"},
        "*.later": "late",
    },
    by_function,
    [("tasks.*", "tasks"), (re.compile("^x"), "x")],
]


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("feed.tasks.import", (), {"queue": "import", "priority": 5}),
        ("feed.other", (), {"queue": "feeds"}),
        ("feed.later", (), {"queue": "feeds"}),
        ("mail.later", (), {"queue": "late"}),
        ("video.encode", (), {"queue": "media"}),
        ("my.video.encode", (), {}),
        ("tasks.big", (1000,), {"queue": "large", "priority": 1}),
        ("tasks.big", (1,), {"queue": "tasks"}),
        ("xylophone", (), {"queue": "x"}),
        ("other", (), {}),
    ],
)
def test_the_first_route_that_answers_is_taken(name: str, args: tuple[int, ...], expected: dict[str, Any]) -> None:
    assert Router(ROUTES).route(name, args) == expected


def test_a_function_is_given_the_task() -> None:
    assert Router(by_function).route("other", task="the task") == {"queue": "named"}


def test_options_of_the_call_win_over_the_route_and_none_does_not() -> None:
    router = Router({"a": {"queue": "routed", "priority": 3, "expires": 60}})
    assert router.route("a", options={"queue": "called", "priority": None}) == {
        "queue": "called",
        "priority": 3,
        "expires": 60,
    }


def test_the_setting_is_never_changed_by_a_call() -> None:
    routes = {"a": {"queue": "routed"}}
    Router(routes).route("a", options={"queue": "called"})["more"] = 1
    assert routes == {"a": {"queue": "routed"}}


def test_a_glob_needs_a_star() -> None:
    assert Router({"a?": "q", "[ab]": "q"}).route("ab") == {}


def test_an_old_style_router_object_is_asked() -> None:
    router = SimpleNamespace(route_for_task=lambda task, args=None, kwargs=None: {"queue": task})
    assert Router([router]).route("a") == {"queue": "a"}


@pytest.mark.parametrize("routes", ["my.module.route", 5, [5]])
def test_what_is_no_route_is_refused(routes: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="write a dict, a list of pairs, or a function"):
        Router(routes)


def test_an_answer_that_is_no_route_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="a dict of options or the name of a queue"):
        Router(lambda *a, **k: 5).route("a")


# Queues


def test_queues_are_read_from_names_queues_and_dicts() -> None:
    kombu_like = SimpleNamespace(
        name="k",
        exchange=SimpleNamespace(name="ke", type="topic"),
        routing_key="k.#",
        queue_arguments={"x": 1},
        durable=True,
    )
    own = Queue("own")
    assert read_queues(["a", own, kombu_like]) == {
        "a": Queue("a"),
        "own": own,
        "k": Queue("k", Exchange("ke", "topic"), "k.#", {"x": 1}, {"durable": True}),
    }
    assert read_queues({"a": None, "b": {"exchange": "e", "exchange_type": "topic", "binding_key": "b.*"}}) == {
        "a": Queue("a", routing_key="a"),
        "b": Queue("b", Exchange("e", "topic"), "b.*"),
    }
    assert read_queues(None) == {}
    assert read_queues("only") == {"only": Queue("only")}


def test_an_unknown_queue_option_is_refused_by_name() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"queue 'a' has an unknown option 'exchnage'; known are .*exchange"):
        read_queues({"a": {"exchnage": "e"}})


def test_what_is_no_queue_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="5 is no queue"):
        read_queues([5])


class Named(str, Enum):  # noqa: UP042  what StrEnum does is not what is tested
    HIGH = "high"


def test_a_queue_may_be_named_by_a_member_of_an_enum() -> None:
    (name,) = Router(queues={}).destination({"queue": Named.HIGH}).queues
    assert f"{name}" == "high"


def test_a_missing_queue_is_made_up_or_refused() -> None:
    declared = {"a": Queue("a"), "b": Queue("b")}
    assert find_queue("c", declared, create_missing=True) == Queue("c")
    with pytest.raises(QueueNotFound, match="no queue 'c'; known queues: a, b"):
        find_queue("c", declared, create_missing=False)


QUEUES = read_queues(
    {
        "celery": None,
        "direct": {"exchange": "d", "routing_key": "dk"},
        "topic": {"exchange": "t", "exchange_type": "topic", "routing_key": "log.#"},
        "errors": {"exchange": "t", "exchange_type": "topic", "routing_key": "log.*.error"},
        "fan": {"exchange": "f", "exchange_type": "fanout"},
    }
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Destination(("celery",), "", "celery")),
        ({"queue": "new"}, Destination(("new",), "", "new")),
        ({"queue": Queue("object")}, Destination(("object",), "", "object")),
        ({"queue": "direct"}, Destination(("direct",), "", "direct")),
        ({"queue": "direct", "routing_key": "other"}, Destination(("direct",), "", "direct")),
        ({"exchange": "d", "routing_key": "dk"}, Destination(("direct",), "d", "dk")),
        ({"exchange": Exchange("d"), "routing_key": "dk"}, Destination(("direct",), "d", "dk")),
        ({"exchange": "", "routing_key": "direct"}, Destination(("direct",), "", "direct")),
        ({"exchange": "", "routing_key": "topic", "queue": "topic"}, Destination(("topic",), "", "topic")),
        ({"exchange": "", "routing_key": "topic", "queue": "new"}, Destination(("new",), "", "new")),
        ({"queue": "topic"}, Destination(("topic",), "t", "log.#", "topic")),
        (
            {"exchange": "t", "routing_key": "log.web.error"},
            Destination(("topic", "errors"), "t", "log.web.error", "topic"),
        ),
        ({"exchange": "t", "routing_key": "log"}, Destination(("topic",), "t", "log", "topic")),
        ({"queue": "fan", "routing_key": "x"}, Destination(("fan",), "f", "x", "fanout")),
    ],
)
def test_options_lead_to_queues(options: dict[str, Any], expected: Destination) -> None:
    assert Router(queues=QUEUES).destination(options) == expected


@pytest.mark.parametrize("options", [{"exchange": "d", "routing_key": "no"}, {"exchange": "no", "routing_key": "dk"}])
def test_an_exchange_that_leads_nowhere_is_refused(options: dict[str, Any]) -> None:
    router = Router(queues=QUEUES)
    with pytest.raises(QueueNotFound, match="bound to exchange"):
        router.each(router.destination(options), "sqlite")


class TestBroadcasts:
    def test_one_is_bound_to_a_fan_out_exchange_of_its_name(self) -> None:
        assert Broadcast("reload").exchange == Exchange("reload", "fanout")
        assert Broadcast("reload", Exchange("all", "fanout")).exchange == Exchange("all", "fanout")

    def test_kombus_is_known_by_its_alias(self) -> None:
        theirs = SimpleNamespace(
            name="bcast.1234", alias="reload", exchange=SimpleNamespace(name="reload", type="fanout")
        )
        assert read_queues([theirs]) == {"reload": Broadcast("reload")}

    def test_its_exchange_alone_is_enough_and_keeps_the_key_that_its_readers_listen_for(self) -> None:
        router = Router(queues={"reload": Broadcast("reload").bound_by("celery")})
        expected = Destination(("reload",), "reload", "celery", "fanout")
        assert router.destination({"exchange": "reload"}) == expected
        assert router.destination({"queue": "reload"}) == expected

    def test_a_broker_without_copies_refuses_it(self) -> None:
        router = Router(queues={"reload": Broadcast("reload")})
        with pytest.raises(ImproperlyConfigured, match="'reload' is a Broadcast, and the sqlite broker cannot"):
            router.each(router.destination({"queue": "reload"}), "sqlite")

    def test_a_copy_is_found_where_missing_queues_are_not_made(self) -> None:
        copy = copy_of("reload", "w1")
        assert Router(queues={}, create_missing=False).destination({"queue": copy}) == Destination((copy,), "", copy)


def test_an_exchange_is_of_a_type_that_there_is() -> None:
    with pytest.raises(ImproperlyConfigured, match="exchange 'x' is of type 'headers'; there are direct, topic and"):
        Exchange("x", "headers")


def test_queues_of_an_exchange_are_bound_by_the_default_key_if_nothing_is_said() -> None:
    assert Queue("a", Exchange("e")).bound_by("celery").routing_key == "celery"
    assert Queue("a", Exchange("e"), "own").bound_by("celery").routing_key == "own"
    assert Queue("a").bound_by("celery").routing_key == ""


def test_a_missing_queue_is_refused_where_missing_ones_are_not_made() -> None:
    with pytest.raises(QueueNotFound, match="no queue 'emials'; known queues: celery, direct"):
        Router(queues=QUEUES, create_missing=False).destination({"queue": "emials"})


@pytest.mark.parametrize(
    ("pattern", "key", "lands"),
    [
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.c", False),
        ("a.#.c", "a.c", True),
        ("a.#.c", "a.b.b.c", True),
        ("#", "", True),
        ("#.z", "z", True),
        ("a.#", "ab", False),
        ("a", "a", True),
        ("a+", "aa", False),
    ],
)
def test_topics(pattern: str, key: str, lands: bool) -> None:
    assert Queue("q", Exchange("e", "topic"), pattern).takes("e", key) is lands


def test_a_queue_may_be_bound_to_several_exchanges() -> None:
    logs, media = Exchange("logs", "topic"), Exchange("media")
    queue = Queue("all", [Binding(logs, "error.#"), Binding(media, "video")], bindings=(Binding(media),))  # type: ignore[arg-type]
    assert [(link.exchange.name, link.routing_key) for link in queue.links] == [
        ("media", "all"),
        ("logs", "error.#"),
        ("media", "video"),
    ]
    router = Router(queues={"all": queue})
    assert router.destination({"exchange": "logs", "routing_key": "error.disk"}) == Destination(
        ("all",), "logs", "error.disk", "topic"
    )
    assert router.destination({"exchange": "media", "routing_key": "video"}).queues == ("all",)
    assert router.destination({"exchange": "media", "routing_key": "audio"}).queues == ()
    assert router.destination({"queue": "all"}) == Destination(("all",), "", "all")
    with pytest.raises(ImproperlyConfigured, match="exchange 'news' is a fan-out one"):
        Binding(Exchange("news", "fanout"))


def test_a_queue_takes_what_kombus_does() -> None:
    one = Queue(
        "a", Exchange("e", durable=False), "k", durable=True, max_priority=3, queue_arguments={"x-max-length": 9}
    )
    assert one == Queue(
        "a", Exchange("e", durable=False), "k", {"x-max-length": 9}, {"durable": True, "max_priority": 3}
    )
    assert Queue("a", "e").exchange == Exchange("e")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "a\x06\x16" + "3", "a\x7f", "a\ud800"])
def test_a_name_that_would_be_taken_for_something_else_is_no_queues(name: str) -> None:
    """Redis' claims are kept as list NUL message; kombu's lists of priorities are named with control characters."""
    with pytest.raises(ImproperlyConfigured, match="is no name for a queue: it has a control character"):
        Queue(name)
    with pytest.raises(ImproperlyConfigured, match="is no name for a queue"):
        Router().destination({"queue": name})
