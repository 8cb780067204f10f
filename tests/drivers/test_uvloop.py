"""Programs whose loop is uvloop's, as that of many web servers is."""

from typing import Any

import pytest
import uvloop

from umbel import Umbel


@pytest.mark.parametrize("kind", ["redis", "sqlite", "memory"])
def test_calls_and_results_work_on_a_loop_of_uvloop(kind: str, request: pytest.FixtureRequest, db_url: str) -> None:
    url = request.getfixturevalue("redis_url") if kind == "redis" else {"sqlite": db_url, "memory": "memory://"}[kind]
    app = Umbel("looping", broker=url, backend=url, set_as_current=False)

    @app.task
    def double(x: int) -> int:
        return 2 * x

    async def program() -> list[Any]:
        results = [await double.adelay(x) for x in range(3)]
        return [await result.aget(timeout=20) for result in results]

    with app.Worker(pool="solo", concurrency=1):
        assert uvloop.run(program()) == [0, 2, 4]
    app.close()
