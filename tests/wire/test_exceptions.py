"""Exceptions as data: nothing is imported to rebuild one, and nothing but exceptions is ever called."""

import pickle
import sys
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from umbel.core import errors
from umbel.core.errors import DecodeError, SecurityError
from umbel.wire import exceptions


class Custom(Exception):
    class Nested(Exception):
        pass


class Stubborn(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")


class Tangled(Exception):
    def __init__(self, code: int, text: str) -> None:
        self.code = code
        super().__init__(text)

    def __str__(self) -> str:
        return f"{self.code}"


@pytest.mark.parametrize(
    ("exc", "data"),
    [
        (KeyError("boom"), {"exc_type": "KeyError", "exc_message": ["boom"], "exc_module": "builtins"}),
        (ValueError(), {"exc_type": "ValueError", "exc_message": [], "exc_module": "builtins"}),
        (Custom.Nested(1), {"exc_type": "Custom.Nested", "exc_message": [1], "exc_module": __name__}),
        (
            errors.TaskRevokedError("revoked"),
            {"exc_type": "TaskRevokedError", "exc_message": ["revoked"], "exc_module": "celery.exceptions"},
        ),
        (
            errors.WorkerLostError("signal 9"),
            {"exc_type": "WorkerLostError", "exc_message": ["signal 9"], "exc_module": "billiard.exceptions"},
        ),
        (
            errors.OperationalError("no"),
            {"exc_type": "OperationalError", "exc_message": ["no"], "exc_module": "kombu.exceptions"},
        ),
        (
            errors.PayloadTooLarge("t", 2, 1),
            {"exc_type": "PayloadTooLarge", "exc_message": ["t", 2, 1], "exc_module": "umbel.exceptions"},
        ),
    ],
)
def test_an_exception_is_described_as_celery_does_and_comes_back(exc: Exception, data: dict[str, Any]) -> None:
    assert exceptions.describe(exc) == data
    rebuilt = exceptions.rebuild(data)
    assert type(rebuilt) is type(exc)
    assert rebuilt.args == exc.args


def test_arguments_that_json_cannot_carry_become_text() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    when = datetime(2026, 11, 20, tzinfo=UTC)
    found = exceptions.describe(ValueError({1}, when, Odd(), [2]))["exc_message"]
    assert found[0] == "{1}"
    assert found[1] == when
    assert "Odd" in found[2]
    assert found[3] == [2]


def test_every_error_of_celerys_side_comes_back_as_ours() -> None:
    for name, module in exceptions._MODULE_OF.items():
        rebuilt = exceptions.rebuild({"exc_type": name, "exc_message": ["x"], "exc_module": module})
        assert type(rebuilt) is getattr(errors, name)


def test_a_module_that_is_not_loaded_is_not_loaded() -> None:
    name = "antigravity"
    assert name not in sys.modules
    rebuilt = exceptions.rebuild({"exc_type": "Lost.InSpace", "exc_message": ["x", 1], "exc_module": name})
    assert name not in sys.modules
    assert (type(rebuilt).__module__, type(rebuilt).__qualname__, rebuilt.args) == (name, "Lost.InSpace", ("x", 1))
    assert isinstance(rebuilt, Exception)


def test_a_module_is_not_asked_to_make_what_it_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("lazy_module")
    asked: list[str] = []
    module.__getattr__ = asked.append  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, "lazy_module", module)
    exceptions.rebuild({"exc_type": "Later", "exc_message": [], "exc_module": "lazy_module"})
    assert asked == []


def test_the_same_unknown_class_is_one_class() -> None:
    data = {"exc_type": "Unknown", "exc_message": [], "exc_module": "nowhere"}
    assert type(exceptions.rebuild(data)) is type(exceptions.rebuild(data))


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "eval"), ("builtins", "int"), ("os", "path"), ("subprocess", "Popen")],
)
def test_what_is_no_exception_is_never_called(module: str, name: str) -> None:
    __import__(module)
    with pytest.raises(SecurityError, match="is no exception; it was not called"):
        exceptions.rebuild({"exc_type": name, "exc_message": ["echo pwned"], "exc_module": module})


def test_a_class_that_wants_other_arguments_is_still_caught_by_its_name() -> None:
    with pytest.raises(Stubborn, match="code 5"):
        raise exceptions.rebuild(exceptions.describe(Stubborn(code=5)))


def test_a_class_that_cannot_be_shown_without_its_init_becomes_a_plain_exception() -> None:
    rebuilt = exceptions.rebuild(exceptions.describe(Tangled(5, "text")))
    assert type(rebuilt) is Exception
    assert "Tangled" in str(rebuilt)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"exc_type": "KeyError", "exc_message": "text", "exc_module": "builtins"}, KeyError("text")),
        ({"exc_type": "KeyError", "exc_module": "builtins"}, KeyError("")),
        (KeyError("as it is"), KeyError("as it is")),
    ],
)
def test_other_forms_that_celery_writes(data: Any, expected: Exception) -> None:
    rebuilt = exceptions.rebuild(data)
    assert (type(rebuilt), rebuilt.args) == (type(expected), expected.args)


def test_without_a_module_the_class_is_made_up() -> None:
    rebuilt = exceptions.rebuild({"exc_type": "KeyError", "exc_message": ["x"], "exc_module": None})
    assert type(rebuilt) is not KeyError
    assert type(rebuilt).__name__ == "KeyError"


@pytest.mark.parametrize("data", [None, 5, [], {}, {"exc_type": 5}])
def test_what_is_no_description_is_a_decode_error(data: Any) -> None:
    with pytest.raises(DecodeError, match="not the description of an exception"):
        exceptions.rebuild(data)


def test_a_rebuilt_error_of_ours_can_be_pickled() -> None:
    data = exceptions.describe(errors.QueueNotFound("a", ["b"]))
    rebuilt = exceptions.rebuild(data)
    assert str(pickle.loads(pickle.dumps(rebuilt))) == str(errors.QueueNotFound("a", ["b"]))
