"""Every setting that is built has a test that shows what its value changes; the table of them is true."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.app.settings_table import SHOWN_BY
from umbel.app.settings import Settings

TESTS = Path(__file__).parents[1]
TABLE = {setting: (path, test) for path, tests in SHOWN_BY.items() for setting, test in tests.items()}
BUILT = {name for name, setting in Settings.TABLE.items() if setting.built}


def test_every_setting_that_is_built_has_a_test() -> None:
    assert sorted(BUILT - TABLE.keys()) == [], "write a test that its value changes behaviour, and name it"
    assert sorted(TABLE.keys() - BUILT) == [], "these are not built"


@cache
def functions_of(path: str) -> dict[str, str]:
    """The test functions of a file with their text, decorators included."""
    source = (TESTS / path).read_text()
    lines = source.splitlines()
    return {
        node.name: "\n".join(
            lines[min([node.lineno, *(of.lineno for of in node.decorator_list)]) - 1 : node.end_lineno]
        )
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("setting", sorted(TABLE))
def test_the_test_exists_and_sets_it(setting: str) -> None:
    path, name = TABLE[setting]
    assert name in functions_of(path), f"there is no {name} in tests/{path}"
    assert re.search(rf"\b{setting}\b", functions_of(path)[name]), f"{name} does not mention {setting}"
