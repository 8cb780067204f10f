"""What has expired goes, however much there is of it."""

import sqlite3

import pytest

from tests.worker.fleet import Farm, until
from umbel.core.record import Record

MANY = 5000


def results(farm: Farm) -> int:
    link = sqlite3.connect(farm.folder / "farm.db", timeout=10)
    try:
        return int(link.execute("SELECT count(*) FROM result").fetchone()[0])
    finally:
        link.close()


@pytest.mark.parametrize("farm_with", ["sqlite"], indirect=True)
@pytest.mark.parametrize("lane", ["prefork", "solo"])
def test_more_results_than_one_batch_have_expired(farm: Farm, lane: str) -> None:
    store = farm._app.store
    assert store is not None
    store.sync.write([Record("SUCCESS", number, task_id=f"old-{number}") for number in range(MANY)])
    assert results(farm) == MANY
    link = sqlite3.connect(farm.folder / "farm.db", timeout=10)
    with link:
        link.execute("UPDATE result SET expires = 1")
    link.close()
    farm.worker("-P", lane, "-c", "1")
    until(lambda: results(farm) == 0, what="all have gone")
