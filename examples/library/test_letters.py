"""How the library tests its tasks: at once and in this process, with Celery's fixture."""

import pytest
from library.tasks import letters


@pytest.fixture
def celery_config():
    return {"task_always_eager": True, "task_eager_propagates": True}


@pytest.fixture
def outbox(tmp_path, monkeypatch):
    monkeypatch.setattr(letters, "outbox", tmp_path)
    return tmp_path


def test_a_letter_names_the_book(celery_config, outbox):
    sent = letters.remind.delay("Ida", "Emma")
    assert sent.successful()
    assert sent.result["attempts"] == 1
    assert "Emma" in (outbox / "Ida.txt").read_text()


def test_every_reader_gets_one(celery_config, outbox):
    letters.remind.starmap([("Ida", "Emma"), ("Tom", "Dune")]).delay()
    assert sorted(path.name for path in outbox.iterdir()) == ["Ida.txt", "Tom.txt"]
