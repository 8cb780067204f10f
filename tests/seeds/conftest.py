"""The documents where they are, and their project: written to disk, its worker started as they type it."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.interop.environments import ROOT
from tests.packages import environment
from tests.seeds.pages import Piece, pieces
from tests.seeds.project import Project

PAGES = ROOT.parent / "shared" / "seeds"
STANDINS = Path(__file__).with_name("standins")
BEFORE = {
    "proj/tasks/email.py": "from standins import RateLimitExceeded, email_service",
    "proj/tasks/database.py": "from celery import shared_task\nfrom standins import User, create_session",
    "proj/tasks/monitoring.py": (
        "from celery.utils.log import get_task_logger\n"
        "from standins import metrics, notify_sentry\n"
        "logger = get_task_logger(__name__)"
    ),
}
"""What a block uses that another part of its file must have defined."""

AFTER = {"proj/celeryconfig.py": "worker_lease = 2  # so that what a killed worker held is soon back"}


class Documents:
    """What the documents say. A phrase names the piece that has it."""

    def __init__(self, texts: list[str]) -> None:
        self.pieces = [piece for text in texts for piece in pieces(text)]

    def piece(self, phrase: str, *, kind: str | None = None) -> Piece:
        """The piece with these words."""
        (found,) = [piece for piece in self.pieces if phrase in piece.text and kind in (None, piece.kind)]
        return found

    def text(self, phrase: str) -> str:
        """Its text."""
        return self.piece(phrase).text


@pytest.fixture(scope="session")
def documents() -> Documents:
    """The documents, or the end of the test."""
    texts = [path.read_text() for path in sorted(PAGES.glob("celery-*.txt"))]
    if not texts:
        pytest.skip(f"the documents are not in {PAGES}; tests/seeds/test_library.py has the like of them")
    return Documents(texts)


@pytest.fixture(scope="session")
def written(documents: Documents, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project of the first document."""
    bin = environment.need()
    made = Project(tmp_path_factory.mktemp("documents"), bin, environment.variables(bin))
    try:
        made.redis.start()
        write(documents, made)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def proj(documents: Documents, written: Project) -> Project:
    """The same with the worker that the document starts."""
    written.worker = written.start(documents.text("celery -A proj worker"))
    written.worker.says("ready.")
    return written


@pytest.fixture(scope="session")
def work(documents: Documents, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with the second document's settings, and a worker of greenlets that was started before its Redis."""
    bin = environment.need()
    made = Project(tmp_path_factory.mktemp("work"), bin, environment.variables(bin))
    try:
        made.write("settings.py", "\n".join(settings(documents, BULLETS)))
        made.write("retries.py", f"OPTIONS = dict({', '.join(options(documents))})")
        made.write("standins.py", (STANDINS / "standins.py").read_text())
        made.write("work.py", (STANDINS / "work.py").read_text())
        pool = re.findall(r"I/O-bound tasks use (\w+)", documents.text("gevent or eventlet"))[0]
        made.worker = made.start(f"celery -A work worker -l info --pool {pool} --concurrency 20 -Q celery,email")
        made.worker.says("cannot be reached")
        made.redis.start()
        made.worker.says("ready.")
        yield made
    finally:
        made.close()


BULLETS = (
    "(broker_url",
    "broker_connection_retry_on_startup",
    "email.*",
    "task_serializer = '",
    "long-running tasks",
)
"""Those that say what stands in the settings."""


def settings(documents: Documents, phrases: Iterable[str]) -> Iterator[str]:
    """The lines of a module of settings that these bullets come to."""
    for phrase in phrases:
        text = documents.text(phrase)
        yield from (f"{name} = {value}" for name, value in re.findall(r"(\w+) = ('[^']*'|\[.*?\]|\w+)", text))
        yield from (f"task_routes = {value}" for value in re.findall(r"task_routes.*?(\{.*\})", text))
        yield from (f"{name} = {value}" for name, value in re.findall(r"(\w+) — set to (\d+)", text))


def write(documents: Documents, project: Project) -> None:
    """Write the documents' files, and the stand-ins."""
    files = {
        "proj/__init__.py": documents.text("__all__"),
        "proj/celery.py": documents.text('autodiscover_tasks(["proj.tasks"])'),
        "proj/celeryconfig.py": documents.text('broker_url = "') + documents.text("beat_schedule = {"),
        "proj/tasks/email.py": documents.text("def send_email(self"),
        "proj/tasks/database.py": documents.text("class DatabaseTask"),
        "proj/tasks/monitoring.py": documents.text("task_failure.connect"),
        "test_email.py": documents.text("def test_send_email"),
    }
    for name, text in files.items():
        project.write(name, "\n".join([BEFORE.get(name, ""), text, AFTER.get(name, "")]))
    project.write("standins.py", (STANDINS / "standins.py").read_text())
    project.write("proj/tasks/__init__.py", (STANDINS / "tasks.py").read_text())


def options(documents: Documents) -> Iterator[str]:
    """The options of a task of which the bullets about retries speak."""
    for phrase in ("Use autoretry_for", "Set max_retries", "retry_backoff_max to cap", "retry_jitter"):
        text = documents.text(phrase)
        yield from (f"{name}={value}" for name, value in re.findall(r"(\w+) = (\w+)", text))
        yield from (f"{name}=({kinds})" for name, kinds in re.findall(r"Use (\w+) .*e\.g\., (.*)\)", text))
        yield from (f"{name}={number}" for name, number in re.findall(r"(?:Set|Configure) (\w+) [^=]*?(\d+)", text))
