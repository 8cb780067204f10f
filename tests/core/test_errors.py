"""Errors travel: by pickle, and as arguments in the result store. And they say what to do next."""

import builtins
import copy
import inspect
import pickle
from datetime import UTC, datetime

import pytest

from umbel.core import errors

EXAMPLES = [
    errors.Reject("busy", requeue=True),
    errors.Retry("later", KeyError("k"), 5.0),
    errors.Ignore("no"),
    errors.QueueNotFound("emails", ["celery", "slow"]),
    errors.NotRegistered("tasks.add"),
    errors.TimeoutError("no result in 3 s"),
    errors.MaxRetriesExceededError("three times", task_args=(1,), task_kwargs={"a": 2}),
    errors.PayloadTooLarge("tasks.add", 300_000, 262_144),
    errors.BackendGetMetaError("gone", task_id="t1"),
    errors.BackendStoreError("gone", state="SUCCESS", task_id="t1"),
    errors.EncodeError("not JSON", ("args", 1, "callback")),
    errors.Undecodable("its head is not JSON"),
    errors.SoftTimeLimitExceeded(5),
    errors.TimeLimitExceeded(7.5),
    errors.WorkerLostError("signal 9"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickle_and_its_own_arguments(error: Exception) -> None:
    copied = pickle.loads(pickle.dumps(error))
    rebuilt = type(error)(*error.args)
    assert type(copied) is type(rebuilt) is type(error)
    assert str(copied) == str(error)
    if not isinstance(error, errors.BackendError):  # its ids are no arguments, as in Celery
        assert str(rebuilt) == str(error)
    names = vars(error).keys() - {"exc", "add_note"}
    assert {name: vars(copied).get(name) for name in names} == {name: vars(error)[name] for name in names}


PUBLIC = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
def test_every_error_can_be_made_without_arguments_and_shown(kind: type[Exception]) -> None:
    assert isinstance(str(kind()), str)
    assert isinstance(repr(copy.copy(kind())), str)


def test_the_tree_in_the_docstring_names_every_error() -> None:
    assert errors.__doc__ is not None
    missing = [
        kind.__name__
        for kind in PUBLIC
        if not issubclass(kind, Warning) and f"── {kind.__name__}" not in errors.__doc__
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errors.NotRegistered("tasks.add"), "import the module"),
        (errors.QueueNotFound("emails", ["b", "a"]), "no queue 'emails'; known queues: a, b. Add it to task_queues"),
        (errors.PayloadTooLarge("tasks.add", 300_000, 262_144), "300,000 bytes, over task_max_payload (262,144)"),
        (errors.EncodeError("no", ("args", 1, "callback")), "args[1]['callback']: no"),
        (errors.EncodeError("no", (1, "callback")), "value[1]['callback']: no"),
        (errors.SoftTimeLimitExceeded(5), "soft time limit (5 s) exceeded"),
        (errors.TimeLimitExceeded(), "hard time limit exceeded"),
        (errors.BackendStoreError("disk full", task_id="t1"), "disk full (task_id t1)"),
        (errors.Retry(), "Retry"),
        (errors.Retry(when=180), "Retry in 180s"),
        (errors.Retry(exc=ValueError("x"), when=180), "Retry in 180s: ValueError('x')"),
        (errors.Retry("in a while", exc=ValueError("x")), "in a while"),
        (errors.Retry(when=datetime(2026, 11, 20, tzinfo=UTC)), "Retry at 2026-11-20 00:00:00+00:00"),
    ],
)
def test_the_text_says_what_and_what_next(error: Exception, text: str) -> None:
    assert text in str(error)


def test_a_retry_whose_cause_does_not_pickle_carries_its_text() -> None:
    class Local(Exception):
        pass

    copied = pickle.loads(pickle.dumps(errors.Retry(exc=Local("here"), when=3, is_eager=True, sig=lambda: None)))
    assert (copied.exc, copied.excs, copied.when, copied.is_eager) == (None, "Local('here')", 3, True)


def test_limits_and_losses_are_no_errors_of_umbel() -> None:
    for kind in (errors.SoftTimeLimitExceeded, errors.TimeLimitExceeded, errors.WorkerLostError, errors.Terminated):
        assert kind.__bases__ == (Exception,)


def test_a_result_that_does_not_come_is_also_the_builtin_timeout() -> None:
    with pytest.raises(builtins.TimeoutError, match="3 s"):
        raise errors.TimeoutError("no result in 3 s")
