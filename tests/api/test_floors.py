"""The house as a whole: doors that only re-export, modules that say what they are, ports that do not grow unseen."""

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest

import umbel
from umbel.broker import base as broker
from umbel.result import base as result

SOURCE = Path(umbel.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))

PORTS: dict[Any, set[str]] = {
    broker.Producer: {"publish", "close"},
    broker.SyncProducer: {"publish", "survey", "close"},
    broker.Consumer: {"open", "exchange", "wait", "renew", "close"},
    broker.Keeper: {"adopt", "survey", "purge", "prune"},
    broker.RenewFor: {"enroll", "renew_for"},
    broker.Limits: {"slots"},
    broker.Revocations: {"revoke", "revoked", "pardon"},
    broker.DeadLetters: {"dead", "revive", "discard"},
    broker.Broker: {"producer", "sync_producer", "consumer", "keeper", "shares_server", "close"},
    result.SyncStore: {"write", "read", "wait", "forget", "close"},
    result.Store: {"sync", "compile", "write", "read", "wait", "forget", "prune", "close"},
}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_modules_first_line_says_what_it_is(path: Path) -> None:
    first = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
    assert first.endswith((".", ":", "!", "?")) or len(first) > 60, f"{path.name} begins: {first!r}"


@pytest.mark.parametrize("name", ["exceptions", "signals", "states"])
def test_a_door_only_re_exports(name: str) -> None:
    tree = ast.parse((SOURCE / f"{name}.py").read_text())
    assert {type(node) for node in tree.body} <= {ast.Expr, ast.Import, ast.ImportFrom, ast.Assign}
    assert importlib.import_module(f"umbel.{name}").__all__


@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.__name__)
def test_a_port_has_these_verbs_and_no_more(port: Any) -> None:
    own = {
        name
        for name, value in vars(port).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, property))
    }
    assert own == PORTS[port]


def test_no_room_is_called_utils() -> None:
    own = [path for path in MODULES if not path.is_relative_to(SOURCE / "celery")]  # where Celery chose the names
    assert [path for path in own if path.stem in {"utils", "common", "helpers", "misc"}] == []
