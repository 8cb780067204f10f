"""Bodies that were left behind: a complete join that nobody sees to is published by the sweeper, once."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import redis

from umbel import Umbel
from umbel.core.joining import Opening, Part
from umbel.core.signature import make
from umbel.result.base import CanJoin
from umbel.worker.sweeper import Sweeper

BODY = make("body", options={"task_id": "the-body"})


def let_time_pass(url: str) -> None:
    """Make it look as if whoever completed the join had done it long ago."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as link:
            link.execute("UPDATE chord SET claimed = claimed - 100")
        link.close()
        return
    with redis.Redis.from_url(url) as client:
        client.zadd("umbel:joins", {"g": 1.0}, xx=True)
        client.delete("celery-taskset-meta-g.c")


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_body_that_was_left_behind_is_published_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}" if kind == "sqlite" else request.getfixturevalue("redis_url")
    app = Umbel("sweeps", broker=url, backend=url, set_as_current=False)
    try:
        assert isinstance(app.store, CanJoin)
        steps: list[Any] = [Opening("g", 2), *(Part("g", f"t{n}", n, "SUCCESS", n, BODY) for n in range(2))]
        assert app.store.joins.take_sync(steps)[-1] is not None
        sweeper = Sweeper(app)
        assert asyncio.run(sweep(app, sweeper)) == 0
        let_time_pass(url)
        assert asyncio.run(sweep(app, sweeper)) == 1
        let_time_pass(url)
        assert asyncio.run(sweep(app, sweeper)) == 0
        (depth,) = app.sync_producer.survey(["celery"])
        assert depth.ready == 1
    finally:
        app.close()


async def sweep(app: Umbel, sweeper: Sweeper) -> int:
    try:
        return await sweeper.sweep()
    finally:
        assert app.store is not None
        await app.store.close()
