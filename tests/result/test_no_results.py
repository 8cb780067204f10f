"""No result store configured: nothing is written about results, and whoever asks for one is told at once."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.interop.fleet import Fleet
from tests.servers import GivenServer, RedisServer
from tests.worker.fleet import until

COUNT = 1000

MakeFleet = Callable[..., Fleet]


@pytest.fixture
def fleet(tmp_path: Any, redis_url: str) -> Any:
    with Fleet(tmp_path, redis_url, None) as fleet:
        yield fleet


def test_a_thousand_tasks_write_no_result(fleet: Fleet, redis_server: RedisServer | GivenServer, redis_db: int) -> None:
    worker = fleet.umbel("-c", "1")
    with fleet.umbel_client() as app, redis_server.client(redis_db) as client:
        before = int(client.info("commandstats").get("cmdstat_set", {"calls": 0})["calls"])
        with app.bulk():
            for n in range(COUNT - 2):
                app.tasks["interop.echo"].delay(n)
            app.tasks["interop.boom"].delay()
            app.tasks["interop.flaky"].delay(1)
        until(lambda: fleet.runs() == COUNT + 1, 60, what="all ran")
        assert worker.stop() == 0
        assert not list(client.scan_iter("*celery-task*"))
        assert int(client.info("commandstats").get("cmdstat_set", {"calls": 0})["calls"]) - before < 10
        assert "celery-task" not in worker.text


def test_a_result_has_an_id_and_nothing_else(fleet: Fleet) -> None:
    with fleet.umbel_client() as app:
        result = app.tasks["interop.echo"].delay(1)
        assert len(result.id) == 36
        for ask in (result.get, lambda: result.state, result.ready, lambda: result.result, result.forget):
            with pytest.raises(NotImplementedError, match="No result backend is configured"):
                ask()
        assert app.store is None
