"""Dead letters chosen by task, exception and age, on the command line."""

import json
from pathlib import Path

from tests.cli.conftest import Run


def test_letters_are_sent_again_by_what_they_are(umbel: Run, worker: object) -> None:
    for _ in range(2):
        umbel("-A", "tasks", "call", "divide", "1", "0", "--wait")
    dead = ("-A", "tasks", "dead")
    assert umbel(*dead, "delete", "--task", "tasks.add").stdout == "0 deleted\n"
    assert umbel(*dead, "delete", "--exception", "ValueError", "--since", "1h").stdout == "0 deleted\n"
    assert len(json.loads(umbel(*dead, "--json").stdout)) == 2
    chosen = ("--task", "tasks.divide", "--exception", "ZeroDivisionError", "--since", "1h")
    assert umbel(*dead, "delete", *chosen).stdout == "2 deleted\n"


def test_a_choice_is_not_mixed_with_ids(umbel: Run, tasks: Path) -> None:
    for words in (
        ("retry",),
        ("retry", "1", "--all"),
        ("retry", "1", "--task", "x"),
        ("retry", "--all", "--since", "1h"),
    ):
        refused = umbel("-A", "tasks", "dead", *words)
        assert (refused.returncode, "name the letters by their ids" in refused.stderr) == (2, True)
    refused = umbel("-A", "tasks", "dead", "delete", "--since", "soon")
    assert (refused.returncode, "not a span" in refused.stderr) == (2, True)
