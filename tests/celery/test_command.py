"""The command ``celery``: Celery's words, places of options, texts and statuses; a fleet started by its ``multi``."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.worker.fleet import until
from umbel.celery.bin.celery import CELERY as FACE
from umbel.celery.bin.celery import LATER, VERSION, celery
from umbel.cli.session import run
from umbel.runtime.pidfile import lives

PROJECT = """\
from celery import Celery, shared_task

app = Celery("proj", broker="sqlite:///m.db", backend="sqlite:///m.db")


@app.task
def add(x, y):
    return x + y


@app.task
def fail():
    raise ValueError("wrong")
"""
UNIT = """\
CELERYD_NODES="w1 w2"; CELERY_BIN="{python} -m celery"; CELERY_APP=proj; CELERYD_MULTI=multi
CELERYD_OPTS="--time-limit=300 --concurrency=1 {group}"; CELERYD_PID_FILE=run/celery/%n.pid
CELERYD_LOG_FILE=log/celery/%n%I.log; CELERYD_LOG_LEVEL=INFO
$CELERY_BIN {line}"""
"""The variables and the command lines of the systemd unit in Celery's documentation."""
FILES = "--pidfile=${CELERYD_PID_FILE} --logfile=${CELERYD_LOG_FILE} --loglevel=${CELERYD_LOG_LEVEL}"
START = f"-A $CELERY_APP $CELERYD_MULTI start $CELERYD_NODES {FILES} $CELERYD_OPTS"
STOP = f"$CELERYD_MULTI stopwait $CELERYD_NODES {FILES}"
RELOAD = f"-A $CELERY_APP $CELERYD_MULTI restart $CELERYD_NODES {FILES} $CELERYD_OPTS"

AS_ROOT, GROUP = os.geteuid() == 0, 12345
"""Only root becomes another user or group, and only what root can read can be run by one: so it is the group."""

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(folder: Path, capfd: pytest.CaptureFixture[str]) -> Say:
    """Run ``celery`` in this process: its status, and what it said."""

    def said(*words: str) -> tuple[int, str, str]:
        status = run(celery, words, face=FACE)
        return status, *capfd.readouterr()

    return said


@pytest.fixture
def project(module: Callable[..., Path]) -> Path:
    return module("proj", PROJECT.replace("from celery", "from umbel.celery"))


@pytest.fixture
def unit(folder: Path, module: Callable[..., Path]) -> Iterator[Callable[[str], "subprocess.CompletedProcess[str]"]]:
    """Run a line of the unit by a shell; what it started is ended with the test."""
    module("proj", PROJECT)

    def shell(line: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-c", UNIT.format(python=sys.executable, line=line, group=f"--gid={GROUP}" if AS_ROOT else "")],
            cwd=folder,
            env={**os.environ, "UMBEL_AS_CELERY": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    yield shell
    shell(f"{STOP} -9")


def test_celerys_systemd_unit_runs_a_fleet(
    folder: Path, unit: Callable[..., "subprocess.CompletedProcess[str]"], say: Say
) -> None:
    pid_path, other = folder / "run/celery/w1.pid", folder / "run/celery/w2.pid"
    started = unit(START)
    assert started.returncode == 0, started.stderr
    assert [line.split("@")[0].strip() for line in started.stdout.splitlines()[2:]] == ["> w1", "> w2"]
    if AS_ROOT:
        made = [pid_path, pid_path.parent, folder / "log/celery", folder / "log/celery/w2-1.log"]
        until(made[-1].exists, what="the second worker's process has begun its log")
        assert [path.stat().st_gid for path in made] == [GROUP] * 4
    (folder / "proj.py").write_text(PROJECT.replace("from celery", "from umbel.celery"))  # this process has no alias
    called, failed = say("-A", "proj", "call", "proj.add", "-a", "[2, 2]"), say("call", "-A", "proj", "proj.fail")
    assert say("-A", "proj", "result", called[1].strip()) == (0, "4\n", "")
    assert say("result", failed[1].strip(), "-A", "proj") == (1, "", "celery: ValueError: wrong\n")
    assert "Traceback" in say("result", failed[1].strip(), "-A", "proj", "--traceback")[1]
    (folder / "proj.py").write_text(PROJECT)

    pid, before = pid_path.read_text().strip(), other.read_text()
    files = ("--pidfile=run/celery/%n.pid", "--logfile=log/celery/%n%I.log")
    assert f"SIGKILL -> {pid}" in say("multi", "kill", "w1", *files)[1]
    until(lambda: not lives(int(pid)), what="the worker that was killed has ended")
    restarted = unit(RELOAD)
    assert (restarted.returncode, restarted.stdout.count("DOWN"), restarted.stdout.count("OK")) == (0, 1, 3)
    assert before != other.read_text()
    assert not lives(int(before))

    pid = pid_path.read_text().strip()
    assert f"SIGQUIT -> {pid}" in say("multi", "stopwait", "w1", "-QUIT", "--nosplash", *files)[1]
    assert not lives(int(pid))
    stopped = unit(STOP)
    assert (stopped.returncode, stopped.stdout.count("DOWN"), stopped.stdout.count("OK")) == (0, 1, 1)
    assert list((folder / "run/celery").iterdir()) == []
    assert say("multi", "stop", "w1", "w2", *files, "-q") == (0, "", "")
    logs = sorted(path for path in (folder / "log/celery").iterdir())
    assert [path.name for path in logs] == ["w1-1.log", "w1.log", "w2-1.log", "w2.log"]
    stats = say("logtool", "stats", *map(str, logs))[1]
    assert "Task success: 1\n" in stats
    assert {"proj.add: 1", "proj.fail: 1"} <= set(stats.splitlines())


def test_a_node_that_does_not_come_up_fails_the_start(say: Say) -> None:
    status, out, errors = say("-A", "nothing", "multi", "start", "one", "--pidfile=%n.pid", "--logfile=%n.log")
    assert (status, "exit code 2" in out, "no module of that name" in errors) == (1, True, True)


def test_version_and_help(say: Say) -> None:
    assert say("--version") == (0, f"{VERSION}\n", "")
    assert VERSION.startswith("5.7.0 (")
    status, out, _ = say()
    assert (status, out.startswith("Usage: celery ")) == (0, True)
    assert say("multi", "--help")[1].startswith("Usage: celery multi")


@pytest.mark.parametrize("name", LATER)
def test_what_comes_later_says_so_in_one_line(say: Say, name: str) -> None:
    status, out, errors = say(name, "ping", "-d", "celery@host", "--timeout", "3")
    assert (status, out, errors.count("\n")) == (69, "", 1)
    assert errors.startswith(f"celery: the command {name} comes later: ")


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("-A", "nothing", "purge"), 2, "cannot import 'nothing'"),
        (("nonsense",), 2, "there is no command 'nonsense'"),
        (("multi", "nonsense"), 2, "there is nothing that multi does called 'nonsense'"),
        (("multi", "start"), 2, "which nodes?"),
        (("-A", "proj", "call", "proj.add", "-a", "[1"), 2, "no JSON list"),
        (("-A", "proj", "worker", "--autoscale", "3,1"), 2, "--autoscale is not built yet"),
        (("-A", "proj", "worker", "-c", "many"), 2, "neither a number"),
        (("-A", "proj", "worker", "--", "worker.nonsense=1"), 2, "there is no setting 'worker_nonsense'"),
        (("-A", "proj", "worker", "--", "task.time_limit=soon"), 2, "task_time_limit"),
        (("-A", "proj", "worker", "--", "(int)x=1"), 2, "there is no setting"),
        (("-A", "proj", "worker", "--", ".concurrency=(thing)1"), 2, "there is no type 'thing'"),
        (("--loader", "my.Loader", "worker"), 2, "Umbel loads applications by -A"),
        (("migrate", "redis://a", "redis://b"), 2, "say -a if that is meant"),
    ],
)
def test_bad_words_are_one_line(say: Say, project: Path, words: tuple[str, ...], status: int, told: str) -> None:
    done = say(*words)
    assert (done[0], done[2].count("\n")) == (status, 1), done
    assert told in done[2]


def test_call_needs_to_know_no_task_and_purge_counts(say: Say, project: Path) -> None:
    assert len(say("-A", "proj", "call", "nobody.knows", "--queue", "celery")[1]) == 37
    assert say("call", "proj.add", "-A", "proj", "-a", "[1, 2]")[0] == 0
    assert say("-A", "proj", "purge", "-f") == (0, "Purged 2 messages from 1 known task queue.\n", "")
    assert say("-A", "proj", "purge", "-f") == (0, "No messages purged from 1 queue.\n", "")
    assert "celery" in say("list", "bindings", "-A", "proj")[1]


def test_without_an_app_the_default_one_has_celeryconfig(module: Callable[..., Path]) -> None:
    module("celeryconfig", "broker_url = result_backend = 'sqlite:///c.db'\ntask_default_queue = 'from-celeryconfig'\n")
    module("other", "broker_url = 'sqlite:///o.db'\ntask_default_queue = 'from-other'\n")
    for words, told in (("purge", "from queue: from-celeryconfig."), ("--config other list bindings", "from-other")):
        program = [sys.executable, "-m", "umbel.celery", *words.split()]
        done = subprocess.run(program, capture_output=True, text=True, input="", check=False)
        assert told in done.stdout, done


def test_a_variable_stands_for_an_option(say: Say, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_WORKER_CONCURRENCY", "many")
    assert "'many' is neither a number" in say("worker", "-A", "proj")[2]


OPTIONS = """\
import click
from umbel.celery.bootsteps import StartStopStep
from umbel.signals import user_preload_options

app.user_options["preload"].add(click.Option(["--mine"]))
app.user_options["worker"].add(click.Option(["--level"], type=int))


@user_preload_options.connect
def told(app, options, **more):
    print("told", app.main, options)


class Step(StartStopStep):
    def __init__(self, parent, level=None, **options):
        raise SystemExit(f"level {level}")


app.steps["worker"].add(Step)
"""


def test_options_that_the_application_adds(say: Say, project: Path) -> None:
    project.write_text(project.read_text() + OPTIONS)
    assert say("-A", "proj", "purge", "-f", "--mine", "x")[:2] == (
        0,
        "told proj {'mine': 'x'}\nNo messages purged from 1 queue.\n",
    )
    with pytest.raises(SystemExit, match="level 3"):
        say("-A", "proj", "worker", "-P", "solo", "--level", "3", "--mine=y")
    assert "no such option" in say("-A", "proj", "purge", "--level", "3")[2].lower()


PLUGIN = """\
import click


@click.command()
@click.option("--times", type=int, default=1)
@click.pass_context
def hello(context, times):
    click.echo(f"hello {context.obj.app.main} " * times)
"""


def test_commands_of_other_packages(say: Say, project: Path, module: Callable[..., Path], folder: Path) -> None:
    module("plugin", PLUGIN)
    about = folder / "plugin-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    points = "[celery.commands]\nhello = plugin:hello\nbroken = plugin:nothing\ngone = nowhere:nothing\n"
    (about / "entry_points.txt").write_text(points)
    assert say("-A", "proj", "hello", "--times", "2") == (0, "hello proj hello proj \n", "")
    assert "\n  hello" in say("--help")[1]
    for name in ("broken", "gone"):
        status, _, errors = say("-A", "proj", name)
        assert (status, errors.count("\n"), f"the command {name} of" in errors) == (1, 1, True)


SHELL = """\
print(sorted(name for name in globals() if not name.startswith('_')))
print(add is app.tasks['proj.add'], celery is app)
"""


def test_the_shell_has_the_app_and_its_tasks(folder: Path, project: Path) -> None:
    words = [sys.executable, "-m", "umbel.celery", "-A", "proj", "-q", "shell", "--python"]
    done = subprocess.run(words, input=SHELL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = "Task add app celery chain chord chunks fail group signature subtask xmap xstarmap"
    assert str(names.split()) in done.stdout
    assert "True True" in done.stdout


def test_a_shell_that_is_not_there_is_one_line(say: Say, project: Path) -> None:
    status, _, errors = say("shell", "-A", "proj", "--bpython")
    assert (status, errors) == (1, "celery: bpython is not installed: pip install bpython, or say --python\n")
