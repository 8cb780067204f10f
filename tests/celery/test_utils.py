"""Celery's utils: the same answers as Celery 5.7 and kombu 5.7 give (each was asked of them)."""

import logging
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from umbel.celery import local
from umbel.celery.kombu.utils import encoding, url
from umbel.celery.kombu.utils.functional import retry_over_time
from umbel.celery.kombu.utils.objects import cached_property
from umbel.celery.kombu.utils.text import reprcall
from umbel.celery.utils import (
    collections,
    functional,
    imports,
    nodenames,
    objects,
    saferepr,
    serialization,
    text,
    threads,
    time,
    timer2,
)
from umbel.celery.utils.dispatch import Signal
from umbel.celery.utils.log import LoggingProxy, get_logger, mlevel
from umbel.core.queues import Exchange, Queue

AT = datetime(2020, 1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (time.humanize_seconds(0.4), "now"),
        (time.humanize_seconds(1), "1.00 second"),
        (time.humanize_seconds(59), "59.00 seconds"),
        (time.humanize_seconds(3661, prefix="in "), "in 1.02 hours"),
        (time.humanize_seconds(3.5, microseconds=True, sep=" "), " 3.50 seconds"),
        (time.rate(None), 0),
        (time.rate("10/m"), 10 / 60),
        (time.rate("3"), 3.0),
        (time.weekday("monday"), 1),
        (time.delta_resolution(AT, timedelta(hours=3)), datetime(2020, 1, 2, 3)),
        (time.delta_resolution(AT, timedelta(days=3)), datetime(2020, 1, 2)),
        (time.delta_resolution(AT, timedelta(seconds=3)), AT),
        (time.remaining(AT, timedelta(hours=1), AT + timedelta(minutes=30)), timedelta(minutes=30)),
        (time.remaining(AT, timedelta(hours=1), datetime(2020, 1, 2, 3), relative=True), timedelta(hours=1)),
        (time.maybe_make_aware(datetime(2020, 1, 1)), datetime(2020, 1, 1, tzinfo=UTC)),
        (datetime(2020, 1, 1) + time.ffwd(minute=3, weekday=2), datetime(2020, 1, 1, 0, 3)),
        (time.maybe_iso8601("2020-01-01T00:00:00Z"), datetime(2020, 1, 1, tzinfo=UTC)),
        (time.get_exponential_backoff_interval(2, 3, 600), 16),
        (time.maybe_timedelta(3), timedelta(seconds=3)),
        (time.adjust_timestamp(10.0, 3, here=lambda: 0.0), -10790.0),
        (text.abbr("a" * 40, 10), "aaaaaaa..."),
        (text.abbrtask("a.b.c.dddd", 8), "a[.]dddd"),
        (text.truncate("a" * 20, 10), "aaaaaaaaaa..."),
        (text.pluralize(2, "cat"), "cats"),
        (text.simple_format("%n-%h %%", {"n": "N", "h": lambda: "H"}), "N-H %"),
        (text.pretty({"a": [1, 2]}), "\n 'a': [1, 2]}"),
        (text.indent("a\nb", 2), "  a\n  b"),
        (text.join(["a", "", "b"], sep="-"), "a-b"),
        (text.ensure_newlines("a"), "a\n\n"),
        (text.fill_paragraphs("a b c d e", 4), "a b\nc d\ne"),
        (nodenames.host_format("%n-%h-%d", "a.b.c", "nm"), "nm-a.b.c-b.c"),
        (nodenames.node_format("%n@%h.log", "x@a.b"), "x@a.b.log"),
        (nodenames.worker_direct("w@h"), Queue("w@h.dq2", Exchange("C.dq2"), "w@h")),
        (saferepr.saferepr([[[[[1]]]]], maxlevels=3), "[[[[...]]]]"),
        (saferepr.saferepr((1,)), "(1,)"),
        (saferepr.saferepr({}), "{}"),
        (imports.qualname(datetime), "datetime.datetime"),
        (imports.qualname(3), "builtins.int"),
        (functional.padlist(["a", "b"], 4), ["a", "b", None, None]),
        (functional.mattrgetter("real", "zip")(3), {"real": 3, "zip": None}),
        (functional.maybe_list(3), [3]),
        (list(functional.chunks(iter(range(5)), 2)), [[0, 1], [2, 3], [4]]),
        (list(functional.uniq([1, 2, 1])), [1, 2]),
        (functional.first(lambda x: x > 2, [1, 3]), 3),
        (functional.is_list("a"), False),
        (functional.dictfilter({"a": None, "b": 1}), {"b": 1}),
        (functional.fun_accepts_kwargs(lambda **k: 0), True),
        (functional.firstmethod("bit_length")([None, 5]), 3),
        (serialization.strtobool("Yes"), True),
        (serialization.b64decode(serialization.b64encode(b"\xff")), b"\xff"),
        (encoding.safe_str(b"x\xff"), "x�"),
        (encoding.bytes_to_str(b"x"), "x"),
        (url.url_to_parts("redis://u:p%40@h:6/3?a=b")[:6], ("redis", "h", 6, "u", "p@", "3")),
        (url.sanitize_url("redis://u:p@h:6/3"), "redis://u:**@h:6/3"),
        (url.maybe_sanitize_url("proj.x"), "proj.x"),
        (url.as_url("redis", "h", 6, "u", "p", "3"), "redis://u:p@h:6/3"),
        (reprcall("f", (1,), {"b": 2}), "f(1, b=2)"),
        (mlevel("info"), logging.INFO),
        (collections.lpmerge({"a": 1, "b": 2}, {"a": None, "b": 3}), {"a": 1, "b": 3}),
    ],
)
def test_the_answer_is_celerys(given: Any, answer: Any) -> None:
    assert given == answer


def test_a_long_text_is_cut_and_what_raises_or_contains_itself_is_shown() -> None:
    class Bad:
        def __repr__(self) -> str:
            raise ValueError

    itself: list[Any] = []
    itself.append(itself)
    assert len(saferepr.saferepr({"a": [1, 2, (3,)], "b": "x" * 3000}, maxlen=50)) <= 55
    assert "Unrepresentable Bad" in saferepr.saferepr([Bad()])
    assert saferepr.saferepr(itself) == "[[...]]"


def test_names_lead_to_what_they_name() -> None:
    assert imports.symbol_by_name("pathlib:Path") is imports.symbol_by_name("pathlib.Path") is Path
    assert imports.symbol_by_name(Path) is Path
    assert imports.symbol_by_name("short", {"short": "pathlib.Path"}) is Path
    assert imports.symbol_by_name("pathlib.Nothing", default=3) == 3
    assert imports.instantiate("pathlib.Path", "x") == Path("x")
    with pytest.raises(ModuleNotFoundError):
        imports.symbol_by_name("no.such.module")


def test_modules_of_the_current_folder_can_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only_here.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    assert imports.import_from_cwd("only_here").x == 1
    assert str(tmp_path) not in sys.path
    with pytest.raises(imports.NotAPackage):
        imports.find_module("only_here.inside")


def test_values_are_computed_once() -> None:
    calls: list[int] = []

    class Thing:
        @cached_property
        def value(self) -> int:
            calls.append(1)
            return 4

    thing = Thing()
    assert (thing.value, thing.value, calls) == (4, 4, [1])
    thing.value = 5
    assert thing.value == 5
    del thing.value
    assert thing.value == 4

    @functional.memoize(maxsize=1)
    def double(x: int) -> int:
        calls.append(x)
        return x * 2

    assert [double(7), double(7), double(8), double(7)] == [14, 14, 16, 14]
    assert calls[2:] == [7, 8, 7]
    ever = functional.mlazy(lambda: calls.pop())
    assert (ever(), ever()) == (7, 7)
    later = functional.lazy(lambda: 3)
    assert (later(), functional.maybe_evaluate(later), functional.maybe_evaluate(4)) == (3, 3, 4)


def test_a_proxy_stands_for_what_is_there_when_it_is_used() -> None:
    found = [1]
    proxy = local.Proxy(lambda: found[0])
    once = local.PromiseProxy(lambda: found[0])
    assert (proxy == 1, once == 1, local.maybe_evaluate(once)) == (True, True, 1)
    found[0] = 2
    assert (proxy == 2, once == 1) == (True, True)
    assert proxy._get_current_object() == 2


def test_a_stack_and_a_local_belong_to_their_thread() -> None:
    stack, place = threads.LocalStack(), threads.Local()
    stack.push(1)
    place.x = 1
    seen: list[Any] = []
    other = threading.Thread(target=lambda: seen.extend([stack.top, hasattr(place, "x")]))
    other.start()
    other.join()
    assert seen == [None, False]
    assert (stack.top, stack.pop(), stack.pop(), place.x) == (1, 1, None, 1)
    threads.LocalManager([place]).cleanup()
    assert not hasattr(place, "x")


def test_a_thread_does_its_body_until_it_is_stopped() -> None:
    done = threading.Event()

    class Busy(threads.bgThread):
        def body(self) -> None:
            done.set()

    busy = Busy()
    busy.start()
    assert done.wait(20)
    busy.stop()
    busy.join(20)
    assert not busy.is_alive()


def test_a_timer_calls_again_and_again_and_stands_still_with_whom_it_belongs_to() -> None:
    alive, asked, called = threading.Event(), threading.Event(), threading.Semaphore(0)
    quiet, late = threading.Event(), threading.Event()

    def pulse() -> None:
        asked.set()
        assert alive.wait(20)

    alive.set()
    timer = timer2.Timer(pulse=pulse)
    entry = timer.call_repeatedly(0, called.release)
    assert all(called.acquire(timeout=20) for _ in range(3))
    entry.cancel()
    timer.call_after(0, quiet.set)
    assert quiet.wait(20)
    alive.clear()
    asked.clear()
    timer.call_after(0, late.set)
    assert asked.wait(20)
    assert not late.is_set()
    alive.set()
    assert late.wait(20)
    timer.stop()


def test_what_a_timer_calls_may_raise(caplog: pytest.LogCaptureFixture) -> None:
    called = threading.Semaphore(0)

    def fails() -> None:
        called.release()
        raise ValueError("no")

    timer = timer2.Timer()
    timer.call_repeatedly(0, fails)
    assert called.acquire(timeout=20)
    assert called.acquire(timeout=20)
    timer.stop()
    assert "Error in timer" in caplog.text


def test_an_exception_that_pickle_cannot_carry_is_stood_for() -> None:
    class Here(Exception):
        pass

    wrapped = serialization.get_pickleable_exception(Here(1))
    assert isinstance(wrapped, serialization.UnpickleableExceptionWrapper)
    assert type(serialization.get_pickled_exception(wrapped)).__name__ == "Here"
    error = ValueError(1)
    assert serialization.get_pickleable_exception(error) is error


def test_a_function_is_called_until_it_succeeds() -> None:
    told: list[int] = []

    def ask() -> int:
        if len(told) < 2:
            raise OSError
        return 3

    def again(error: Exception, pauses: Any, count: int) -> float:
        told.append(count)
        return 0

    assert retry_over_time(ask, OSError, errback=again) == 3
    assert told == [0, 1]
    with pytest.raises(ZeroDivisionError):
        retry_over_time(lambda: 1 / 0, ZeroDivisionError, max_retries=2, interval_start=0, interval_step=0)


def test_a_signal_of_ones_own() -> None:
    paid, heard = Signal(name="paid", providing_args={"order"}), []

    @paid.connect
    def receive(order: int, **named: Any) -> None:
        heard.append(order)

    paid.send(sender=None, order=3)
    paid.send_robust(None, order=4)
    assert heard == [3, 4]


def test_whether_a_function_takes_an_argument() -> None:
    takes = functional.fun_takes_argument
    assert [takes("x", lambda x: x), takes("y", lambda x: x), takes("y", lambda *y: y)] == [True, False, True]
    assert [takes("", lambda x: x, position=1), takes("", lambda x: x, position=2)] == [True, False]


def test_what_is_written_to_a_logger(caplog: pytest.LogCaptureFixture) -> None:
    proxy = LoggingProxy(get_logger("umbel.test.proxy"), "WARNING")
    proxy.write("a line\n")
    proxy.write("\n")
    proxy.close()
    proxy.write("late")
    assert [record.getMessage() for record in caplog.records] == ["a line"]
    assert objects.Bunch(a=1).a == 1  # type: ignore[attr-defined]
