"""``examples/library``, written for Celery as the documents teach it: run as it is, with the commands of its README."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.environments import ROOT
from tests.packages.environment import variables
from tests.seeds.project import Project
from tests.seeds.test_documents import YESTERDAY
from tests.worker.fleet import until

EXAMPLE = ROOT / "examples" / "library"
COMMANDS = re.findall(r"^(?!export|```)(\w.*)$", (EXAMPLE / "README.md").read_text().split("```")[1], re.MULTILINE)[1:]
SHIM = f'#!/bin/sh\nexec {sys.executable} -m celery "$@"\n'


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The library with its worker. ``celery`` is a script that a machine with Celery has."""
    folder = tmp_path_factory.mktemp("library") / "here"
    shutil.copytree(EXAMPLE, folder)
    script = folder.with_name("celery")
    script.write_text(SHIM)
    script.chmod(0o755)
    bin = Path(sys.executable).parent
    made = Project(folder, bin, variables(bin, PATH=f"{folder.parent}:{bin}:/usr/bin:/bin"))
    try:
        made.redis.start()
        made.environment |= {"CELERY_BROKER_URL": made.redis.url(0), "CELERY_RESULT_BACKEND": made.redis.url(1)}
        made.worker = made.start(COMMANDS[0]).says("ready.")
        yield made
    finally:
        made.close()


@pytest.fixture
def run(library: Project) -> Any:
    """Executes a block beside the library's tasks, in one Python for all."""
    library.console("from library.tasks import covers, letters, loans")
    return library.console


def test_the_program_prints_what_its_tasks_return(library: Project) -> None:
    (library.folder / "outbox").mkdir(exist_ok=True)
    assert library.type(COMMANDS[2]).splitlines() == [
        "a loan: 1",
        "a letter, later: False 1",
        "a chain: {'title': 'Emma', 'pixels': 1000}",
        "a group: ['Emma', 'Ulysses']",
        "a chord: Covers: Emma (400), Ulysses (40)",
    ]
    assert "wrote to Ida" in library.worker.text


def test_its_tests_pass(library: Project) -> None:
    assert "2 passed" in library.type(f"{COMMANDS[3]} -q")


def test_retries_of_both_kinds(library: Project, run: Any) -> None:
    outbox = library.folder / "outbox"
    outbox.mkdir(exist_ok=True)
    (outbox / "no-stamps").touch()
    id = run("result = letters.remind.delay('Tom', 'Dune'); answer = result.id")
    assert 3500 < library.parked(id).seconds("eta") <= 3600
    assert run("answer = [result.state, repr(result.info)]") == ["RETRY", "NoStamps('Tom')"]
    (outbox / "no-stamps").unlink()
    (outbox / "Ann.txt").mkdir()
    run("result = letters.remind.delay('Ann', 'Dune')")
    until(lambda: run("answer = result.state") == "RETRY", what="the first attempt has failed")
    (outbox / "Ann.txt").rmdir()
    assert run("answer = result.get(timeout=30)")["attempts"] > 1


def test_routes_reach_their_queues(library: Project, run: Any) -> None:
    id = run("result = loans.close_month.delay(); answer = result.id")
    assert library.type("redis-cli llen night").strip() == "1"
    assert id.encode() in library.server(lambda server: server.lindex("night", 0))
    assert run("answer = covers.scan.delay('Emma').get(timeout=30)")["pixels"] == 4000


def test_failures_and_successes_are_told(library: Project, run: Any) -> None:
    id = run("result = loans.lose.delay('Emma'); result.get(propagate=False, timeout=30); answer = result.id")
    told = library.folder / "told"
    line = f"badly library.tasks.loans.lose LookupError Emma {id}"
    until(lambda: line in told.read_text().splitlines(), what=line)
    assert told.read_text().startswith("ready\n")


def test_its_schedule_is_published(library: Project, run: Any) -> None:
    (library.folder / "outbox").mkdir(exist_ok=True)
    run(
        YESTERDAY.replace("from proj import celery_app as app", "from library import app").replace(
            "86_400", "5 * 86_400"
        )
    )
    beat = library.start(COMMANDS[1])
    letter = library.folder / "outbox" / "everybody.txt"
    until(letter.exists, what="a letter to everybody")
    until(lambda: "well library.tasks.loans.count" in (library.folder / "told").read_text(), what="stock is taken")
    assert beat.stop() == 0
