"""``umbel upgrade settings`` and ``umbel logtool``, on files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from umbel.cli.group import root
from umbel.cli.session import run

OLD = """\
# CELERY_TASK_SERIALIZER stays in a comment
BROKER_URL = "redis://"\r
CELERY_TASK_SERIALIZER, CELERYD_CONCURRENCY = 'json', 4
CELERYD_CONCURRENCY_OF_MINE = CELERYD_CONCURRENCY
conf = {"CELERY_RESULT_BACKEND": "redis://", "told": "BROKER_URL is set"}
app.conf.CELERYBEAT_SCHEDULE = {}
"""
NEW = """\
# CELERY_TASK_SERIALIZER stays in a comment
broker_url = "redis://"\r
task_serializer, worker_concurrency = 'json', 4
CELERYD_CONCURRENCY_OF_MINE = worker_concurrency
conf = {"result_backend": "redis://", "told": "BROKER_URL is set"}
app.conf.beat_schedule = {}
"""
LOG = """\
[2026-11-26 10:00:00,000: INFO/MainProcess] celery@box ready.
[2026-11-26 10:00:00,001: INFO/Process-1] Task t.add[one] received
[2026-11-26 10:00:00,002: INFO/Process-1] t.add[one]: Task t.add[no] received, says the task
[2026-11-26 10:00:00,003: INFO/Process-1] Task t.add[one] succeeded in 0.001s: 4
[2026-11-26 10:00:00,004: INFO/Process-1] Task t.bad[two] received
[2026-11-26 10:00:00,005: INFO/Process-1] Task t.bad[two] retry: Retry in 1s
[2026-11-26 10:00:00,006: ERROR/Process-1] Task t.bad[two] raised unexpected: ValueError('no')
Traceback (most recent call last):
ValueError: no
[2026-11-26 10:00:00,007: INFO/Process-1] Task t.add[three] received
"""


@pytest.fixture
def say(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def said(*words: str) -> tuple[int, str, str]:
        status = run(root, words)
        return status, *capsys.readouterr()

    return said


Say = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), NEW),
        (
            ("--django",),
            NEW.replace("broker_url", "CELERY_BROKER_URL")
            .replace("task_serializer", "CELERY_TASK_SERIALIZER")
            .replace("worker_concurrency", "CELERY_WORKER_CONCURRENCY")
            .replace("result_backend", "CELERY_RESULT_BACKEND")
            .replace("beat_schedule", "CELERY_BEAT_SCHEDULE"),
        ),
    ],
)
def test_old_names_become_new_ones(folder: Path, say: Say, options: tuple[str, ...], expected: str) -> None:
    (folder / "s.py").write_bytes(OLD.encode())
    status, out, _ = say("upgrade", "settings", "s.py", *options)
    assert (status, out) == (0, "Changes to your setting have been made!\n")
    assert (folder / "s.py").read_bytes().decode() == expected
    assert (folder / "s.py.orig").read_bytes().decode() == OLD


def test_what_needs_no_change_is_left_alone(folder: Path, say: Say) -> None:
    (folder / "s.py").write_text("broker_url = 'redis://'\n")
    assert say("upgrade", "settings", "s.py")[:2] == (0, "Does not seem to require any changes :-)\n")
    (folder / "s.py").write_text("BROKER_URL = 'redis://'\n")
    assert say("upgrade", "settings", "s.py", "--no-backup")[0] == 0
    assert [path.name for path in folder.iterdir()] == ["s.py"]


@pytest.mark.parametrize(("text", "told"), [(None, "s.py: No such file"), ("x = (", "s.py is no Python file")])
def test_what_is_no_settings_file_is_one_line(folder: Path, say: Say, text: str | None, told: str) -> None:
    if text is not None:
        (folder / "s.py").write_text(text)
    status, _, errors = say("upgrade", "settings", "s.py")
    assert (status, told in errors.splitlines()[-1]) == (1, True)


@pytest.mark.parametrize(
    ("verb", "lines"),
    [
        ("errors", [LOG.splitlines()[6]]),
        ("traces", LOG.splitlines()[6:9]),
        ("incomplete", ["Did not complete: three"]),
        ("debug", [LOG.splitlines()[0], LOG.splitlines()[2]]),
    ],
)
def test_what_a_log_says(folder: Path, say: Say, verb: str, lines: list[str]) -> None:
    (folder / "w.log").write_text(LOG)
    assert say("logtool", verb, "w.log")[:2] == (0, "\n".join([*lines, ""]))


def test_the_numbers_of_a_log(folder: Path, say: Say) -> None:
    (folder / "w.log").write_text(LOG)
    out = say("logtool", "stats", "w.log")[1]
    assert "Task total: 3\nTask errors: 1\nTask success: 1\nTask completed: 2\n" in out
    assert out.rstrip().endswith("Tasks\n=====\nt.add: 2\nt.bad: 1")
    assert say("logtool", "stats", "none.log")[0] == 1
