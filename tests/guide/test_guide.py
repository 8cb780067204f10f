"""What Celery's guide teaches, as programs written anew: they print on Umbel what they print on a real Celery.

All run at once, each beside a worker of its own; the real Celery is the one of ``tests/packages``, with the alias off.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.packages import environment
from tests.seeds.project import BARE, TIMEOUT, Running

CHAPTERS = Path(__file__).with_name("chapters")
NAMES = ["first_steps", "next_steps", "canvas", "routing", "periodic"]
WORKER = "celery -A chapters.app worker -B -c 2 -l info -Q celery,kitchen,garden"
TESTS = "python -m pytest -q -p celery.contrib.pytest -p no:randomly chapters/testing.py"


class Reading:
    """Somebody who runs the chapters, with what is said to them."""

    def __init__(self, folder: Path, url: str, *, alias: bool) -> None:
        self.folder = folder
        self.url = url
        shutil.copytree(CHAPTERS, folder / "chapters")
        (folder / "notes").touch()
        more = {"BROKER": url, "BACKEND": url, "NOTES": str(folder / "notes"), "UMBEL_AS_CELERY": "1" if alias else "0"}
        self.options: dict[str, Any] = {
            "cwd": folder,
            "env": environment.variables(environment.need(), PYTHONPATH=str(folder), **BARE, **more),
        }

    @contextmanager
    def worker(self) -> Iterator[None]:
        """One in another process, or in the program's own where no other would reach its broker."""
        if self.url == "memory://":
            self.options["env"]["HERE"] = "1"
            yield
            return
        worker = Running(WORKER, self.folder / "worker.log", **self.options)
        try:
            yield
        except AssertionError as error:
            raise AssertionError(f"{error}\n{worker.text[-5000:]}") from error
        finally:
            worker.kill()

    def start(self, command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command.split(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            **self.options,
        )


def said(process: "subprocess.Popen[str]") -> list[str]:
    """The lines that it printed; it must end well."""
    out, errors = process.communicate(timeout=3 * TIMEOUT)
    assert process.returncode == 0, f"{out}{errors}"
    return out.splitlines()


def test_the_chapters_say_on_umbel_what_they_say_on_celery(tmp_path: Path, redis_server: Any) -> None:
    urls = {"celery": redis_server.url(redis_server.take()), "redis": redis_server.url(redis_server.take())}
    urls |= {"sqlite": f"sqlite:///{tmp_path}/chapters.db", "memory": "memory://"}
    with ExitStack() as stack:
        running = {}
        for name, url in urls.items():
            reading = Reading(tmp_path / name, url, alias=name != "celery")
            stack.enter_context(reading.worker())
            running[name] = reading.start(f"python -m chapters {' '.join(NAMES)}")
        lines = {name: said(process) for name, process in running.items()}
    expected = lines.pop("celery")
    assert len(expected) > 60
    assert lines.pop("memory") == [line for line in expected if line != "periodic: ticked"], "no beat runs in memory"
    assert lines == {"redis": expected, "sqlite": expected}


def test_the_chapter_about_tests_passes_on_both(tmp_path: Path) -> None:
    readings = [Reading(tmp_path / name, "memory://", alias=name == "umbel") for name in ("celery", "umbel")]
    ends = [said(process)[-1] for process in [reading.start(TESTS) for reading in readings]]
    assert [end.partition(" in ")[0] for end in ends] == ["8 passed", "8 passed"]
