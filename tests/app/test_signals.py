"""Signals: who hears what, how long, and what a broken receiver breaks."""

import gc
import logging
from typing import Any

import pytest

from umbel import Umbel, shared_task, signals
from umbel.runtime.clock import SYSTEM
from umbel.signals import Signal


@pytest.fixture
def signal() -> Signal:
    return Signal("test")


def test_receivers_get_the_sender_the_signal_and_what_is_sent(signal: Signal) -> None:
    heard: list[Any] = []

    def listen(signal: Signal, sender: Any, value: int, **kwargs: Any) -> int:
        heard.append((signal, sender, value, kwargs))
        return value + 1

    assert not signal.receivers
    assert signal.connect(listen) is listen
    assert signal.receivers
    assert signal.send("me", value=1, other=2) == [(listen, 2)]
    assert heard == [(signal, "me", 1, {"other": 2})]
    assert signal.disconnect(listen) is True
    assert signal.disconnect(listen) is False
    assert not signal.receivers


@pytest.mark.parametrize("sender", ["a name", object()])
def test_a_receiver_may_listen_to_one_sender(signal: Signal, sender: object) -> None:
    heard: list[Any] = []

    @signal.connect(sender=sender)
    def listen(sender: Any, **kwargs: Any) -> None:
        heard.append(sender)

    signal.send(sender)
    signal.send(object())
    signal.send(None)
    assert heard == [sender]
    assert signal.has_listeners(sender)
    assert not signal.has_listeners("other")


def test_a_shared_task_as_sender_is_the_apps_task(signal: Signal, app: Umbel) -> None:
    @shared_task(name="lib.job")
    def job() -> None: ...

    heard: list[Any] = []
    signal.connect(lambda **_: heard.append(1), sender=job, weak=False)
    signal.send(app.tasks["lib.job"])
    signal.send(app.task(print, name="other"))
    assert heard == [1]


def test_receivers_are_held_weakly_unless_asked(signal: Signal) -> None:
    def connect(weak: bool) -> None:
        def listen(**kwargs: Any) -> None: ...

        signal.connect(listen, weak=weak)

    connect(weak=True)
    gc.collect()
    assert not signal.receivers
    connect(weak=False)
    gc.collect()
    assert len(signal.receivers) == 1


def test_methods_live_as_long_as_their_object(signal: Signal) -> None:
    class Listener:
        def listen(self, **kwargs: Any) -> str:
            return "heard"

    one, other = Listener(), Listener()
    signal.connect(one.listen)
    signal.connect(one.listen)
    signal.connect(other.listen)
    assert [response for _, response in signal.send(None)] == ["heard", "heard"]
    del one
    gc.collect()
    assert len(signal.send(None)) == 1
    assert signal.disconnect(other.listen)


def test_one_uid_connects_once(signal: Signal) -> None:
    first, second = (lambda **_: 1), (lambda **_: 2)
    signal.connect(first, dispatch_uid="x")
    signal.connect(second, dispatch_uid="x")
    assert [response for _, response in signal.send(None)] == [1]
    assert signal.disconnect(dispatch_uid="x")


def test_a_broken_receiver_is_logged_and_breaks_nothing(signal: Signal, caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("broken")

    def broken(**kwargs: Any) -> None:
        raise error

    def fine(**kwargs: Any) -> int:
        return 1

    signal.connect(broken)
    signal.connect(fine)
    with caplog.at_level(logging.ERROR):
        assert signal.send(None) == [(broken, error), (fine, 1)]
    assert "broken" in caplog.text


def test_a_receiver_is_callable(signal: Signal) -> None:
    with pytest.raises(TypeError, match="a receiver is a callable"):
        signal.connect("print")  # type: ignore[call-overload]


def test_every_public_signal_says_what_it_carries() -> None:
    for name in signals.__all__:
        if name != "Signal":
            found = getattr(signals, name)
            assert found.name == name
            assert "ender: " in (found.__doc__ or ""), name


def test_a_receiver_with_retry_is_called_until_it_returns(signal: Signal, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(SYSTEM, "pause", pauses.append, raising=False)
    failures = [ValueError("one"), ValueError("two")]

    def listen(**kwargs: Any) -> str:
        if failures:
            raise failures.pop()
        return "heard"

    signal.connect(listen, retry=True)
    ((_, answer),) = signal.send(None)
    assert (answer, pauses) == ("heard", [2.0, 4.0])
    assert signal.disconnect(listen)


def test_a_receiver_with_retry_is_not_held_weakly(signal: Signal) -> None:
    signal.connect(lambda **kwargs: "heard", retry=True)
    gc.collect()
    assert [answer for _, answer in signal.send(None)] == ["heard"]


def test_a_receiver_accepts_keyword_arguments(signal: Signal) -> None:
    with pytest.raises(ValueError, match=r"must accept keyword arguments: def receiver\(\*\*kwargs\)"):
        signal.connect(lambda sender: None)
    assert not signal.receivers
