"""``umbel call`` and ``umbel result``."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from umbel.cli.call import arguments, moment
from umbel.cli.result import end_of

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("2", "2"), ([2, 2], {})),
        (("-2", "-0.5"), ([-2, -0.5], {})),
        (("Ada", "true", "null", "[1, 2]"), (["Ada", True, None, [1, 2]], {})),
        (("x=1", "name=Ada Lovelace", 'tags={"a": 1}'), ([], {"x": 1, "name": "Ada Lovelace", "tags": {"a": 1}})),
        (("1=2", "a-b=c", "http://a/?b=c"), (["1=2", "a-b=c", "http://a/?b=c"], {})),
        (('"2"', "-"), (["2", "-"], {})),
    ],
)
def test_bare_words_are_json_or_text(words: tuple[str, ...], expected: object) -> None:
    assert arguments(words) == expected


def test_a_moment_is_seconds_or_a_time() -> None:
    assert moment("30") == 30.0
    assert str(moment("2026-11-20T15:00:00+01:00")) == "2026-11-20 15:00:00+01:00"


def test_the_end_of_a_traceback_is_its_last_frame() -> None:
    first, last = '  File "a.py", line 1\n    f()\n', '  File "b.py", line 2\n    1 / 0\nError: x'
    assert end_of(f"Traceback (most recent call last):\n{first}{last}\n") == last


def test_a_call_prints_its_id_and_waits_in_the_queue(umbel: Run, tasks: Path) -> None:
    done = umbel("-A", "tasks", "call", "add", "2", "2")
    assert ID.fullmatch(done.stdout.strip())
    depth = json.loads(umbel("-A", "tasks", "queues", "--json").stdout)
    assert [(queue["queue"], queue["ready"]) for queue in depth] == [("celery", 1)]


def test_celerys_way_to_give_arguments(umbel: Run, tasks: Path) -> None:
    given = ("-a", "[2]", "-k", '{"y": 2}', "--countdown", "60", "--expires", "120", "--queue", "later")
    assert umbel("-A", "tasks", "call", "tasks.add", *given).returncode == 0
    depth = json.loads(umbel("-A", "tasks", "queues", "--json").stdout)
    assert [(queue["queue"], queue["delayed"]) for queue in depth] == [("celery", 0), ("later", 1)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("ad", "2", "2"), "no task named 'ad' in tasks; did you mean 'add'?"),
        (("nothing_like_it",), "no task named 'nothing_like_it' in tasks; it has tasks.add, tasks.divide, tasks.greet"),
        (("add", "2"), "add(x: int, y: int)"),
        (("add", "2", "2", "z=3"), "add(x: int, y: int)"),
        (("add", "2", "2", "--wiat"), "No such option '--wiat'"),
        (("add", "-a", "{}"), "'{}' is no JSON list"),
        (("add", "-k", "[]"), "'[]' is no JSON object"),
        (("add", "2", "2", "--eta", "noon"), "'noon' is neither"),
        (("add", "2", "2", "--eta", "5"), "--countdown"),
        (("add", "2", "2", "--priority", "11"), "11 is not in the range"),
        (("add", "2", "2", "--serializer", "toml"), "toml"),
    ],
)
def test_what_is_wrong_with_a_call_is_one_line(umbel: Run, tasks: Path, words: tuple[str, ...], expected: str) -> None:
    done = umbel("-A", "tasks", "call", *words)
    assert done.returncode in (1, 2)
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(umbel("-A", "tasks", "queues", "--json").stdout)[0]["ready"] == 0


def test_a_short_name_that_is_no_ones_alone_is_refused(umbel: Run, module: Callable[..., Path]) -> None:
    source = "from umbel import Umbel\napp = Umbel('two')\nfor m in 'ab':\n    app.task(name=f'{m}.f')(lambda: None)\n"
    module("two", source)
    assert "'f' may be any of a.f, b.f" in umbel("-A", "two", "call", "f").stderr


def test_wait_prints_the_result(umbel: Run, worker: object) -> None:
    assert umbel("-A", "tasks", "call", "add", "2", "2", "--wait").stdout.splitlines()[1:] == ["4"]
    assert umbel("-A", "tasks", "call", "greet", "Ada", "loud=true", "-w").stdout.splitlines()[1:] == ["Hello ADA"]
    shown = json.loads(umbel("-A", "tasks", "call", "add", "2", "2", "--wait", "--json").stdout)
    assert (shown["status"], shown["result"]) == ("SUCCESS", 4)


def test_a_failure_shows_where_it_came_from(umbel: Run, worker: object) -> None:
    done = umbel("-A", "tasks", "call", "divide", "1", "0", "--wait")
    assert done.returncode == 1
    task_id = done.stdout.strip()
    assert "return x / y" in done.stderr
    assert "ZeroDivisionError: division by zero" in done.stderr
    again = umbel("-A", "tasks", "result", task_id, "--traceback")
    assert again.returncode == 1
    assert "Traceback (most recent call last)" in again.stderr
    assert json.loads(umbel("-A", "tasks", "result", task_id, "--json").stdout)["status"] == "FAILURE"


def test_a_result_that_is_not_there(umbel: Run, tasks: Path) -> None:
    done = umbel("-A", "tasks", "result", "nonesuch")
    assert done.returncode == 1
    assert done.stderr == "nonesuch has no result: it waits, or runs, or nobody sent it\n"


def test_a_timeout_is_one_line(umbel: Run, tasks: Path) -> None:
    done = umbel("-A", "tasks", "call", "add", "2", "2", "--wait", "--timeout", "0.2")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
