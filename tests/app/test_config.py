"""Settings: where they come from, which source wins, and what is refused."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import umbel
from umbel import Umbel
from umbel.app.config import Config
from umbel.app.settings import Settings
from umbel.core.errors import ImproperlyConfigured, UmbelWarning


def config(**environ: str) -> Config:
    return Config(environ=environ)


# Values ---------------------------------------------------------------------------------------------------------------


def test_attribute_and_item_are_one() -> None:
    conf = config()
    conf.task_time_limit = 5
    assert conf["task_time_limit"] == 5.0
    conf["task_time_limit"] = 6
    assert conf.task_time_limit == 6.0
    conf.update(task_time_limit=7, task_acks_late=False)
    assert (conf.task_time_limit, conf.task_acks_late) == (7.0, False)
    del conf["task_time_limit"]
    assert conf.task_time_limit is None


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("task_acks_late", "yes", True),
        ("task_acks_late", "off", False),
        ("task_acks_late", 0, False),
        ("result_expires", timedelta(hours=1), 3600.0),
        ("result_expires", "60", 60.0),
        ("result_expires", None, None),
        ("imports", "one", ("one",)),
        ("imports", ["one", "two"], ("one", "two")),
        ("worker_redirect_stdouts_level", "warning", "WARNING"),
        ("task_default_delivery_mode", "transient", 1),
        ("broker_transport_options", None, {}),
        ("task_default_rate_limit", "10/s", "10/s"),
        ("worker_prefetch_multiplier", 0, 0),
        ("worker_concurrency", "auto", None),
        ("worker_concurrency", "4", 4),
        ("timezone", "Europe/Vienna", "Europe/Vienna"),
    ],
)
def test_values_are_read_as_their_type(name: str, given: object, read: object) -> None:
    conf = config()
    conf[name] = given
    assert conf[name] == read
    assert type(conf[name]) is type(read)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("task_acks_late", "perhaps", "expected True or False"),
        ("task_time_limit", "soon", "number of seconds, not negative; or None"),
        ("task_time_limit", -1, "not negative"),
        ("task_max_deliveries", 1.5, "whole number"),
        ("worker_concurrency", 0, "1 or more"),
        ("task_default_priority", 10, "from 0 to 9"),
        ("task_default_rate_limit", "often", "a rate: '10/s'"),
        ("task_default_queue", 5, "expected text"),
        ("imports", 5, "list of names"),
        ("timezone", "Mars/Olympus", "name of a time zone there is"),
        ("worker_lease", 0, "more than 0 seconds"),
        ("worker_rate_limit_scope", "world", "'cluster' or 'worker'"),
        ("worker_redirect_stdouts_level", "loud", "expected one of"),
        ("accept_content", 5, "list of names"),
        ("task_queues", 5, "list of names or Queues"),
        ("task_annotations", 5, "dict of task name to attributes"),
        ("task_annotations", [{}, 5], "dict of task name to attributes"),
        ("task_max_deliveries", float("inf"), "whole number"),
    ],
)
def test_wrong_values_are_refused_by_name(name: str, value: object, why: str) -> None:
    conf = config()
    before = conf[name]
    with pytest.raises(ImproperlyConfigured, match=f"setting {name} = .*{why}"):
        conf[name] = value
    assert conf[name] == before


def test_what_a_later_release_builds_is_refused_unless_it_changes_nothing() -> None:
    conf = config()
    conf.override_backends = {}
    with pytest.raises(ImproperlyConfigured, match=r"override_backends = .*: this setting is not built yet"):
        conf.override_backends = {"x": "y:Z"}


def test_celerys_defaults_keep_what_is_not_built_and_warn() -> None:
    conf = Config("celery", environ={})
    with pytest.warns(UmbelWarning, match=r"override_backends = .*: this setting is not built yet"):
        conf.override_backends = {"x": "y:Z"}
    assert conf.override_backends == {"x": "y:Z"}


@pytest.mark.parametrize("defaults", ["umbel", "celery"])
def test_obsolete_settings_are_refused_with_what_takes_their_place(defaults: Any) -> None:
    conf = Config(defaults, environ={})
    with pytest.raises(
        ImproperlyConfigured, match=r"redis_host = 'here': .*obsolete; say it in result_backend: 'redis"
    ):
        conf.redis_host = "here"
    conf.from_object({"BROKER_HOST": "here"})
    with pytest.raises(ImproperlyConfigured, match=r"broker_host = 'here': .*obsolete; say it in broker_url"):
        conf.load()


def test_parts_that_umbel_does_not_have_cannot_be_set() -> None:
    conf = config()
    conf.worker_timer_precision = 1.0
    with pytest.raises(ImproperlyConfigured, match="worker_timer_precision = 2: Umbel has no use for it: its timers"):
        conf.worker_timer_precision = 2


def test_what_holds_by_design_takes_any_value_of_its_kind() -> None:
    conf = config()
    conf.worker_eta_task_limit = 100
    assert conf.worker_eta_task_limit == 100
    with pytest.raises(ImproperlyConfigured, match="whole number"):
        conf.worker_eta_task_limit = "many"


def test_secrets_are_not_in_error_lines() -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        config().redis_password = "hunter2"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("defaults", ["umbel", "celery"])
def test_every_default_passes_its_own_check(defaults: Any) -> None:
    for setting in Settings.TABLE.values():
        value = setting.default(defaults)
        assert setting.check(value) == value, setting.name


def test_the_two_sets_differ_where_the_design_says() -> None:
    umbel, celery = Config("umbel", environ={}), Config("celery", environ={})
    differ = {name for name in Settings.TABLE if umbel[name] != celery[name]}
    assert differ == {
        "broker_connection_max_retries",
        "result_max_size",
        "task_acks_late",
        "task_max_payload",
        "task_max_rest",
        "task_reject_on_worker_lost",
        "worker_prefetch_multiplier",
        "worker_rate_limit_scope",
        "worker_shutdown_timeout",
    }
    assert celery.worker_prefetch_multiplier == 4
    assert umbel.task_max_payload == 256 * 1024


def test_every_setting_says_what_it_is() -> None:
    assert [s.name for s in Settings.TABLE.values() if not (s.doc and s.section)] == []


def test_every_setting_that_is_built_is_read_somewhere() -> None:
    """A setting that is read and ignored is worse than none: one that nobody reads is not marked as built."""
    root = Path(umbel.__file__).parent
    code = "\n".join(path.read_text() for path in root.rglob("*.py") if path.parent.name != "settings")
    names = {name for name, setting in Settings.TABLE.items() if setting.built}
    read = set(re.findall(r"""(?:conf\.|conf\[")(\w+)""", code)) | set(re.findall(r"""from_conf\("(\w+)"\)""", code))
    assert names - read == set()


def test_defaults_are_not_shared() -> None:
    conf = config()
    conf.task_publish_retry_policy["max_retries"] = 99
    assert config().task_publish_retry_policy["max_retries"] == 3


# Names ----------------------------------------------------------------------------------------------------------------


def test_a_mistyped_name_is_refused_wherever_it_is_set() -> None:
    conf = config()
    match = "no setting 'task_ack_late'; did you mean 'task_acks_late'"
    with pytest.raises(ImproperlyConfigured, match=match):
        conf.task_ack_late = True
    with pytest.raises(ImproperlyConfigured, match=match):
        conf.update({"task_ack_late": True})
    with pytest.raises(ImproperlyConfigured, match=match):
        Umbel("x", task_ack_late=True, set_as_current=False)
    conf.from_object({"task_ack_late": True})
    with pytest.raises(ImproperlyConfigured, match=match):
        conf.task_acks_late  # noqa: B018  reading it loads the object


def test_reading_a_mistyped_name_says_so() -> None:
    with pytest.raises(AttributeError, match="did you mean 'task_acks_late'"):
        config().task_ack_late  # noqa: B018
    with pytest.raises(KeyError):
        config()["nothing_like_it"]


def test_celerys_defaults_keep_a_mistyped_name_and_warn() -> None:
    conf = Config("celery", environ={})
    with pytest.warns(UmbelWarning, match="did you mean 'task_acks_late'"):
        conf.task_ack_late = True
    assert conf.task_ack_late is True


def test_unknown_names_are_kept() -> None:
    conf = config()
    conf.my_library_setting = {"a": 1}
    assert conf.my_library_setting == {"a": 1}
    assert "my_library_setting" in conf
    conf.from_object({"timezones": ["a"]})  # near a name, but in an object only prefixed names are suspect
    assert conf.timezones == ["a"]


@pytest.mark.parametrize(("keyword", "meant"), [("brokr", "broker"), ("backen", "backend"), ("inclde", "include")])
def test_a_mistyped_keyword_is_refused(keyword: str, meant: str) -> None:
    mistyped: dict[str, Any] = {keyword: "sqlite:///x"}
    with pytest.raises(ImproperlyConfigured, match=f"no keyword '{keyword}'; did you mean '{meant}'"):
        Umbel("x", **mistyped)


def test_a_keyword_of_a_later_release_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"Umbel\(loader=...\) is not built yet"):
        Umbel("x", loader="x", set_as_current=False)


def test_defaults_is_one_of_two() -> None:
    with pytest.raises(ImproperlyConfigured, match="'umbel' or 'celery'"):
        Umbel("x", defaults="django")  # type: ignore[arg-type]


# Sources --------------------------------------------------------------------------------------------------------------


def test_the_environment_beats_everything() -> None:
    conf = config(CELERY_BROKER_URL="sqlite:////env.db", CELERY_RESULT_BACKEND="sqlite:////res.db")
    conf.broker_url = "sqlite:////assigned.db"
    assert conf.broker_url == "sqlite:////env.db"
    assert conf.result_backend == "sqlite:////res.db"
    both = config(CELERY_BROKER_URL="sqlite:////celery.db", UMBEL_BROKER_URL="sqlite:////umbel.db")
    assert both.broker_url == "sqlite:////umbel.db"


def test_assigned_beats_the_object_beats_added_defaults() -> None:
    conf = config()
    conf.add_defaults({"task_default_queue": "added", "task_serializer": "added", "imports": ["added"]})
    conf.task_default_queue = "assigned"
    conf.from_object({"task_default_queue": "object", "task_serializer": "object"})
    assert (conf.task_default_queue, conf.task_serializer, conf.imports) == ("assigned", "object", ("added",))


def test_added_defaults_may_be_a_function_called_late() -> None:
    conf = config()
    called = []

    def values() -> dict[str, Any]:
        called.append(1)
        return {"task_default_queue": "late"}

    conf.add_defaults(values)
    assert not called
    assert conf.task_default_queue == "late"


def test_the_object_is_read_when_a_value_is_first_needed(folder: Path, module: Callable[..., Path]) -> None:
    app = Umbel("x", set_as_current=False)
    app.config_from_object("late_settings")
    app.conf.task_default_queue = "mine"
    module("late_settings", "task_default_queue = 'file'\ntask_time_limit = 9\n")
    assert app.conf.task_time_limit == 9.0
    assert app.conf.task_default_queue == "mine"


@pytest.mark.parametrize("how", ["module", "dotted", "colon", "object", "dict", "class"])
def test_an_object_may_be_many_things(folder: Path, module: Callable[..., Path], how: str) -> None:
    module(
        "settings_of",
        "import os\nfrom datetime import timedelta\ntask_time_limit = 9\n"
        "class Production:\n    task_time_limit = 9\n    def method(self): ...\n",
    )
    objects: dict[str, Any] = {
        "module": "settings_of",
        "dotted": "settings_of.Production",
        "colon": "settings_of:Production",
        "object": SimpleNamespace(task_time_limit=9),
        "dict": {"task_time_limit": 9},
        "class": type("C", (), {"task_time_limit": 9}),
    }
    app = Umbel("x", set_as_current=False, config_source=objects[how])
    assert app.conf.task_time_limit == 9.0
    assert set(app.conf.changed()) == {"task_time_limit"}


@pytest.mark.parametrize("namespace", ["CELERY", "celery", "CELERY_"])
def test_a_namespace_takes_only_its_own_upper_case_names(namespace: str) -> None:
    app = Umbel("x", set_as_current=False)
    app.config_from_object({"CELERY_TASK_TIME_LIMIT": 9, "TASK_TIME_LIMIT": 8, "DEBUG": True}, namespace=namespace)
    assert app.conf.task_time_limit == 9.0
    assert set(app.conf.changed()) == {"task_time_limit"}


def test_old_names_stand_for_todays() -> None:
    conf = config()
    conf.from_object({"CELERYD_TASK_TIME_LIMIT": 9, "CELERY_ACKS_LATE": False, "BROKER_URL": "memory://", "DEBUG": 1})
    conf.CELERY_ALWAYS_EAGER = True
    conf.update(CELERY_DEFAULT_QUEUE="old")
    assert conf.changed() == {
        "DEBUG": 1,
        "broker_url": "memory://",
        "task_acks_late": False,
        "task_always_eager": True,
        "task_default_queue": "old",
        "task_time_limit": 9.0,
    }
    assert conf["task_time_limit"] == conf.CELERYD_TASK_TIME_LIMIT
    del conf["CELERY_DEFAULT_QUEUE"]
    assert conf.task_default_queue == "celery"
    assert Umbel("x", CELERY_DEFAULT_QUEUE="old", set_as_current=False).conf.task_default_queue == "old"


def test_an_old_name_with_a_wrong_value_is_told_by_its_new_one() -> None:
    with pytest.raises(ImproperlyConfigured, match="setting task_time_limit = 'soon'"):
        config().CELERYD_TASK_TIME_LIMIT = "soon"


@pytest.mark.parametrize(
    ("values", "renames"),
    [
        ({"CELERY_ACKS_LATE": True, "task_time_limit": 1, "imports": ()}, "CELERY_ACKS_LATE -> task_acks_late"),
        ({"CELERY_ACKS_LATE": 1, "CELERY_IMPORTS": (), "task_time_limit": 1}, "task_time_limit -> CELERYD_TASK_TIME"),
    ],
)
def test_old_and_new_names_are_not_mixed(values: dict[str, Any], renames: str) -> None:
    conf = config()
    conf.from_object(values)
    with pytest.raises(ImproperlyConfigured, match=f"mixes old and new names of settings; rename {renames}"):
        conf.load()


def test_both_names_of_one_setting_are_no_mix() -> None:
    conf = config()
    conf.from_object({"CELERY_TASK_RESULT_EXPIRES": 1, "result_expires": 2, "task_time_limit": 3})
    assert (conf.result_expires, conf.task_time_limit) == (2.0, 3.0)


def test_a_namespace_beats_old_names_which_still_count() -> None:
    conf = config()
    values = {"CELERY_TASK_ACKS_LATE": False, "CELERY_ACKS_LATE": True, "CELERY_ALWAYS_EAGER": True, "CELERY_X_Y": 1}
    conf.from_object(values, namespace="CELERY")
    assert conf.changed() == {"task_acks_late": False, "task_always_eager": True, "x_y": 1}


def test_celerys_defaults_keep_upper_case_names_that_nothing_has() -> None:
    conf = Config("celery", environ={})
    conf.from_object({"CELERY_TASK_TIME_LIMIT": 9})
    assert conf.CELERY_TASK_TIME_LIMIT == 9
    assert conf.task_time_limit is None


def test_upper_case_names_without_a_namespace_are_explained() -> None:
    conf = config()
    conf.from_object({"CELERY_TASK_TIME_LIMIT": 9, "DEBUG": True})
    with pytest.raises(ImproperlyConfigured, match=r"pass namespace='CELERY'.*task_time_limit"):
        conf.load()


def test_a_name_that_cannot_be_imported() -> None:
    app = Umbel("x", set_as_current=False)
    with pytest.raises(ImproperlyConfigured, match="'no_such_module' cannot be imported"):
        app.config_from_object("no_such_module", force=True)
    with pytest.raises(ImproperlyConfigured, match="cannot be imported"):
        app.conf.task_time_limit  # noqa: B018  it fails again, rather than fall back to a default
    app.config_from_object("no_such_module", silent=True)
    assert app.conf.task_time_limit is None


def test_a_wrong_value_in_the_object_is_named() -> None:
    app = Umbel("x", set_as_current=False, config_source={"task_time_limit": "soon"})
    with pytest.raises(ImproperlyConfigured, match="task_time_limit = 'soon'"):
        app.conf.task_acks_late  # noqa: B018


def test_the_object_may_be_named_by_the_environment(
    folder: Path, module: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    module("env_settings", "task_time_limit = 9\n")
    app = Umbel("x", set_as_current=False)
    with pytest.raises(ImproperlyConfigured, match="MY_SETTINGS is not set"):
        app.config_from_envvar("MY_SETTINGS")
    assert app.config_from_envvar("MY_SETTINGS", silent=True) is False
    monkeypatch.setenv("MY_SETTINGS", "env_settings")
    assert app.config_from_envvar("MY_SETTINGS") is True
    assert app.conf.task_time_limit == 9.0


def test_listeners_hear_of_the_reading_once() -> None:
    app = Umbel("x", set_as_current=False)
    heard: list[str] = []

    @app.on_configure.connect
    def before(**kwargs: Any) -> None:
        heard.append("before")

    @app.on_after_configure.connect
    def after(source: Any, **kwargs: Any) -> None:
        assert source.task_time_limit is None
        heard.append("after")

    app.conf.task_time_limit  # noqa: B018
    app.conf.task_serializer  # noqa: B018
    assert heard == ["before", "after"]


def test_nothing_is_set_once_a_worker_runs() -> None:
    conf = config()
    conf.freeze()
    with pytest.raises(ImproperlyConfigured, match="task_time_limit cannot be changed any more: a worker is running"):
        conf.task_time_limit = 1
    with pytest.raises(ImproperlyConfigured):
        conf.from_object({})
    with pytest.raises(ImproperlyConfigured):
        conf.add_defaults({})
    assert conf.task_time_limit is None


def test_secrets_are_masked_for_display() -> None:
    conf = config()
    conf.update(my_api_token="t", task_time_limit=3)
    assert conf.table() == {"my_api_token": "********", "task_time_limit": 3.0}
    assert conf.table(censored=False)["my_api_token"] == "t"
    assert "task_acks_late: True" in conf.humanize(with_defaults=True)


def test_values_are_found_in_celerys_other_ways() -> None:
    conf = config()
    conf.worker_concurrency = 3
    assert conf.get_by_parts("worker", "concurrency") == 3
    assert conf.find_value_for_key("concurrency") == 3
    assert conf.find_value_for_key("serializer", "result") == "json"
    assert conf.find_value_for_key("enable_utc") is True
    assert conf.first("task_time_limit", "worker_concurrency") == 3
    assert conf.without_defaults() == {"worker_concurrency": 3}
    assert conf.value_set_for("CELERYD_CONCURRENCY")
    assert not conf.value_set_for("task_time_limit")
    with pytest.raises(KeyError):
        conf.find_value_for_key("nothing")


def test_reading_and_assigning_from_many_threads_never_shows_a_stale_value() -> None:
    conf = config()
    stale: list[int] = []

    def read() -> None:
        for _ in range(2000):
            low = written[0]
            if conf.task_max_deliveries < low:  # type: ignore[operator]
                stale.append(1)

    written = [0]
    conf.task_max_deliveries = 0
    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(2000):
        conf.task_max_deliveries = n
        written[0] = n
    for thread in threads:
        thread.join()
    assert not stale
