"""What the documents say that Umbel cannot do yet: each is executed, fails, and names what it waits for."""

import re

import pytest

from tests.interop.environments import ROOT
from tests.seeds.conftest import Documents
from tests.seeds.project import Project


@pytest.mark.xfail(strict=True, reason="waits for Django: its settings, and autodiscovery in its applications")
def test_a_project_of_djangos(documents: Documents, written: Project) -> None:
    block = documents.text("DJANGO_SETTINGS_MODULE").replace("proj", "site_proj")
    written.write("site_proj/__init__.py", documents.text("__all__"))
    written.write("site_proj/celery.py", block)
    written.write(
        "site_proj/settings.py", f"CELERY_BROKER_URL = {written.redis.url(2)!r}\nINSTALLED_APPS = ['site_proj.shop']\n"
    )
    written.write("site_proj/shop/__init__.py", "")
    written.write(
        "site_proj/shop/tasks.py",
        "from celery import shared_task\nfrom standins import note\n\n\n@shared_task\ndef sell():\n    note('sold')\n",
    )
    written.start("celery -A site_proj worker --concurrency=1").says("ready.")
    written.type("celery -A site_proj call site_proj.shop.tasks.sell")
    written.notes("sold")


@pytest.mark.xfail(strict=True, reason="waits for django-celery-beat, and so for Django's models")
def test_schedules_in_djangos_database(documents: Documents, written: Project) -> None:
    package = re.findall(r"django-[\w-]+", documents.text("django-celery-beat"))[0]
    scheduler = f"{package.replace('-', '_')}.schedulers:DatabaseScheduler"
    written.start(
        f"celery -A proj beat -l info --scheduler {scheduler}", DJANGO_SETTINGS_MODULE="site_proj.settings"
    ).says("Leading")


@pytest.mark.xfail(strict=True, reason="waits for Flower, which asks for events and remote control")
def test_flower(documents: Documents, written: Project) -> None:
    command = re.findall(r"\((celery [^)]*)\)", documents.text("celery -A proj flower"))[0]
    written.type(f"{command} --help")


@pytest.mark.xfail(strict=True, reason="waits for remote control")
def test_diagnostics(documents: Documents, written: Project) -> None:
    verbs = re.findall(r"active|reserved|stats", documents.text("celery inspect"))
    said = [written.type(f"celery -A proj inspect {verb}") for verb in verbs]
    assert len(said) == 3


@pytest.mark.xfail(strict=True, reason="waits for containers: an image, and an entrypoint that reads MODE")
def test_the_worker_container(documents: Documents) -> None:
    assert documents.text("MODE=worker")
    assert [*ROOT.glob("Dockerfile"), *ROOT.glob("*/Dockerfile")]
