"""What a worker writes, and how each setting of logging changes it. Read as an operator would: from outside."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, environment
from tests.worker.fleet import until
from umbel import Umbel

PROGRAM = """\
import logging
import sys

from umbel import Umbel, get_task_logger
from umbel.signals import *

app = Umbel("program", broker="sqlite:///program.db", **{settings!r})
log = get_task_logger("program.tasks")


@app.task
def talk(x):
    print("printed", x)
    print("unended", end="", flush=True)
    sys.stderr.write("to stderr\\n")
    log.info("logged %s", x)
    logging.getLogger("library").info("of a library")
    return x


@app.task
def fail():
    raise ValueError("wrong")


@app.task(throws=(KeyError,))
def expected():
    raise KeyError("gone")


@app.task(bind=True, default_retry_delay=0)
def again(self):
    if not self.request.retries:
        raise self.retry(exc=ValueError("once"), countdown=0)


{more}
"""
AT = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}: "


@pytest.fixture
def working(folder: Path, module: Callable[..., Path]) -> Callable[..., Any]:
    """Run a worker of the program while the block lasts; gives the app to call with, and its text once it is over."""

    @contextmanager
    def run(*words: str, more: str = "", **settings: Any) -> Iterator[Any]:
        module("program", PROGRAM.format(settings=settings, more=more))
        command = [
            str(Path(sys.executable).with_name("umbel")),
            "-A",
            "program",
            "worker",
            "-c",
            "1",
            "-n",
            "w@box",
            *words,
        ]
        with (folder / "said").open("w") as said:
            process = subprocess.Popen(command, stdout=said, stderr=said, env=environment())
        try:
            with Umbel("caller", broker=f"sqlite:///{folder / 'program.db'}", set_as_current=False) as app:
                yield lambda name, *args, **how: app.send_task(f"program.{name}", args).get(timeout=20, **how)
        finally:
            process.terminate()
            process.wait(30)

    return run


@pytest.fixture
def said(folder: Path) -> Callable[[], str]:
    return (folder / "said").read_text


def test_lines_are_celerys(working: Any, said: Callable[[], str]) -> None:
    with working("-l", "INFO") as call:
        call("talk", 7)
        for name in ("fail", "expected"):
            call(name, propagate=False)
        call("again")
    text = said()
    process = AT + r"INFO/Process-1\] Task program\.\w+\[[-0-9a-f]{36}\] "
    assert re.search(process + r"received\n", text)
    assert re.search(process + r"succeeded in [\d.e-]+s: 7\n", text)
    assert re.search(process + r"raised expected: KeyError\('gone'\)\n", text)
    assert re.search(process + r"retry: Retry in 0s: ValueError\('once'\)\n", text)
    failed = re.search(AT + r"ERROR/Process-1\] .* raised unexpected: ValueError\('wrong'\)\n(.*\n)+?V", text)
    assert failed is not None
    assert failed.group().splitlines()[1] == "Traceback (most recent call last):"
    assert "program.py" in failed.group().splitlines()[2], "it begins in the user's code"


def test_what_is_printed_is_logged(working: Any, said: Callable[[], str]) -> None:
    with working("-l", "INFO", worker_redirect_stdouts_level="INFO") as call:
        call("talk", 7)
    lines = said().splitlines()
    for text in ("printed 7", "unended", "to stderr"):
        assert [line for line in lines if re.fullmatch(AT + rf"INFO/Process-1\] {text}", line)], text


def test_what_is_printed_is_left_alone_if_asked(working: Any, said: Callable[[], str]) -> None:
    with working("-l", "INFO", worker_redirect_stdouts=False) as call:
        call("talk", 7)
    assert "printed 7" in said().splitlines()


def test_formats_and_dates(working: Any, said: Callable[[], str]) -> None:
    formats = {
        "worker_log_format": "%(asctime)s|%(name)s|%(message)s",
        "worker_task_log_format": "%(asctime)s|%(task_name)s|%(task_id)s|%(message)s",
        "worker_log_datefmt": "at %H",
        "worker_task_log_datefmt": "task at %H",
    }
    with working("-l", "INFO", **formats) as call:
        call("talk", 7)
    text = said()
    assert re.search(r"^at \d\d\|celery\.worker\.strategy\|Task program\.talk\[.*\] received$", text, re.MULTILINE)
    assert re.search(r"^at \d\d\|celery\.app\.trace\|Task program\.talk\[.*\] succeeded", text, re.MULTILINE)
    assert re.search(r"^at \d\d\|celery\.redirected\|printed 7$", text, re.MULTILINE)
    assert re.search(r"^task at \d\d\|program\.talk\|[-0-9a-f]{36}\|logged 7$", text, re.MULTILINE)
    assert re.search(r"^at \d\d\|library\|of a library$", text, re.MULTILINE)


def test_json_lines_name_the_task(working: Any, said: Callable[[], str]) -> None:
    with working("-l", "INFO", "--log-format", "json") as call:
        call("fail", propagate=False)
        call("talk", 7)
    lines = [json.loads(line) for line in said().splitlines() if line.startswith("{")]
    told = {line["message"].split("] ")[-1].split(" in ")[0]: line for line in lines}
    for message in ("received", "succeeded", "logged 7", "printed 7"):
        assert told[message]["task_name"] == "program.talk"
        assert len(told[message]["task_id"]) == 36
    assert "ValueError: wrong" in told["raised unexpected: ValueError('wrong')"]["exception"]


def test_files_for_each_process(working: Any, said: Callable[[], str], folder: Path) -> None:
    with working("-l", "INFO", "--logfile", "%n-%h%I-%i.log") as call:
        call("talk", 7)
        until(lambda: "succeeded" in (folder / "w-box-1-1.log").read_text(), what="the process's file")
        (folder / "w-box-1-1.log").rename(folder / "moved.log")
        until(lambda: call("talk", 8) == 8 and (folder / "w-box-1-1.log").exists(), what="a new file after the move")
    assert "w@box ready." in (folder / "w-box-0.log").read_text()
    assert "Task" not in said()


HANDLER = """
logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))
"""


def test_the_root_loggers_own_handlers_stay_if_asked(working: Any, said: Callable[[], str]) -> None:
    with working("-l", "INFO", more=HANDLER, worker_hijack_root_logger=False) as call:
        call("talk", 7)
    assert re.search(r"^Task program\.talk\[.*\] received$", said(), re.MULTILINE), "the handler of the program's own"
    assert not re.search(AT + r".*\] received", said())


def test_the_root_loggers_own_handlers_go_otherwise(working: Any, said: Callable[[], str]) -> None:
    with working("-l", "INFO", more=HANDLER) as call:
        call("talk", 7)
    assert not re.search(r"^Task program\.talk\[.*\] received$", said(), re.MULTILINE)
    assert len(re.findall(AT + r".*\] received", said())) == 1


SET_UP = """
@setup_logging.connect
def configure(**told):
    logging.basicConfig(format="own %(message)s", level=told["loglevel"], stream=sys.stdout, force=True)
"""
AFTER = """
@after_setup_logger.connect
def change(logger, **told):
    logger.handlers[0].setFormatter(logging.Formatter("changed %(message)s"))
@after_setup_task_logger.connect
def change_tasks(logger, **told):
    logger.handlers[0].setFormatter(logging.Formatter("task's %(message)s"))
"""


def test_a_receiver_sets_up_everything(working: Any, said: Callable[[], str]) -> None:
    with working("-l", "INFO", more=SET_UP) as call:
        call("talk", 7)
    assert re.search(r"^own w@box ready\.$", said(), re.MULTILINE)
    assert re.search(r"^own Task program\.talk\[.*\] received$", said(), re.MULTILINE)
    assert re.search(r"^own logged 7$", said(), re.MULTILINE)
    assert re.search(r"^printed 7$", said(), re.MULTILINE), "then nothing is redirected"


def test_receivers_change_what_was_set_up(working: Any, said: Callable[[], str]) -> None:
    with working("-l", "INFO", more=AFTER) as call:
        call("talk", 7)
    assert re.search(r"^changed w@box ready\.$", said(), re.MULTILINE)
    assert re.search(r"^task's logged 7$", said(), re.MULTILINE)


RAISES = """
@setup_logging.connect
def configure(**told):
    raise OSError("no disk")
"""


@pytest.mark.parametrize(
    ("more", "settings", "line"),
    [
        (RAISES, {}, "logging cannot be set up: configure, a receiver of setup_logging, raised OSError: no disk"),
        ("", {"worker_log_format": "%(nosuch)s"}, "setting worker_log_format = '%(nosuch)s': "),
        ("", {"worker_task_log_format": "{brackets}"}, "setting worker_task_log_format = '{brackets}': "),
    ],
)
def test_logging_that_fails_is_one_line(
    umbel: Run, module: Callable[..., Path], more: str, settings: dict[str, str], line: str
) -> None:
    module("program", PROGRAM.format(settings=settings, more=more))
    done = umbel("-A", "program", "worker", "-c", "1")
    assert done.returncode == 1
    assert done.stderr.startswith(f"umbel: {line}")
    assert len(done.stderr.splitlines()) == 1


BROKEN = """
def broken(signal, **told):
    raise RuntimeError(f"broken receiver of {signal.name}")
for name in {names}:
    globals()[name].connect(broken)
"""


def test_receivers_that_raise_are_logged_and_change_nothing(working: Any, said: Callable[[], str]) -> None:
    names = ["worker_init", "worker_process_init", "worker_ready", "worker_shutdown"]
    names += ["task_received", "task_prerun", "task_success", "task_failure", "task_retry", "task_postrun"]
    with working("-l", "WARNING", more=BROKEN.replace("{names}", repr(names))) as call:
        assert call("talk", 7) == 7
        call("fail", propagate=False)
        assert call("again") is None
    for name in names:
        assert f"raised: RuntimeError('broken receiver of {name}')" in said(), name


FACTORY = """
def factory(*args, **kwargs):
    record = logging.LogRecord(*args, **kwargs)
    record.own = f"own:{record.levelname}"
    return record
@worker_process_init.connect
def set_factory(**told):
    logging.setLogRecordFactory(factory)
@after_setup_logger.connect
def show(logger, **told):
    logger.handlers[0].setFormatter(logging.Formatter("%(own)s %(message)s", defaults={"own": "none"}))
"""


def test_a_factory_of_records_of_the_programs_own_is_heeded(working: Any, said: Callable[[], str]) -> None:
    with working("-l", "INFO", more=FACTORY) as call:
        call("talk", 7)
    assert re.search(r"^own:INFO Task program\.talk\[.*\] received$", said(), re.MULTILINE)
    assert re.search(r"^own:INFO Task program\.talk\[.*\] succeeded", said(), re.MULTILINE)


def test_lines_say_who_wrote_them_and_when(working: Any, said: Callable[[], str]) -> None:
    text = "%(created)f|%(process)d|%(processName)s|%(threadName)s|%(levelname)s|%(message)s"
    with working("-l", "INFO", worker_log_format=text) as call:
        call("talk", 7)
    lines = [line.split("|") for line in said().splitlines() if line.count("|") == 5]
    told = {line[5].split("] ")[-1].split(" in ")[0].split(":")[0]: line for line in lines}
    received, printed, succeeded = told["received"], told["printed 7"], told["succeeded"]
    assert float(received[0]) <= float(printed[0]) <= float(succeeded[0])
    assert received[1:5] == succeeded[1:5] == [printed[1], "Process-1", "MainThread", "INFO"]
