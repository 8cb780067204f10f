"""A revocation lasts: for who starts later, for who was cut off, for what waits; and what runs ends by the signal."""

import signal
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest

from tests.crash.proxy import Proxy
from tests.servers import RedisServer, free_port
from tests.worker.fleet import Farm, until
from umbel import AsyncResult, Umbel, states


def ended(result: "AsyncResult[object]") -> str:
    until(result.ready, what=f"the end of {result.id}")
    return result.state


def test_a_running_task_ends_by_the_signal_that_was_asked_for(farm: Farm) -> None:
    """TERM is what Celery sends by default. A process that nobody taught to handle it does not outlive it."""
    worker = farm.worker("-c", "1")
    said = {None: "SIGTERM", "SIGINT": "SIGINT", "SIGUSR2": "SIGUSR2", "SIGKILL": "SIGKILL"}
    for wanted, name in said.items():
        result = farm.send("hold", name, str(farm.gate()))
        farm.started(name)
        result.revoke(terminate=True, signal=wanted)
        assert ended(result) == states.REVOKED
        until(lambda name=name: f"was ended because it is revoked ({name})" in worker.text)  # type: ignore[misc]
    assert len(farm.lines("start")) == len(said)
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    assert worker.stop() == 0
    assert (farm.depth().ready, farm.depth().claimed, farm.depth().dead) == (0, 0, 0)


def test_user_code_may_handle_the_signal_and_is_revoked_all_the_same(farm: Farm) -> None:
    """Its process goes on, as long as it comes to an end in time."""
    worker = farm.worker("-c", "1")
    process = farm.send("whose_process").get(timeout=20)
    for then in ("raises", "returns"):
        result = farm.send("hears_its_signal", then, signal.SIGTERM, then)
        farm.started(then)
        result.revoke(terminate=True)
        assert ended(result) == states.REVOKED
        assert farm.lines("heard", then)
        assert farm.lines("end", then)
    assert farm.send("whose_process").get(timeout=20) == process
    assert farm.depth().dead == 0
    deaf = farm.send("hears_its_signal", "stays", signal.SIGTERM, "stays")
    farm.started("stays")
    deaf.revoke(terminate=True)
    assert ended(deaf) == states.REVOKED
    assert not farm.lines("end", "stays")
    until(lambda: "was ended because it is revoked (SIGKILL)" in worker.text)
    assert farm.send("whose_process").get(timeout=20) != process
    assert worker.stop() == 0


def test_what_holds_the_interpreter_is_ended_too_and_what_waits_never_starts(farm: Farm) -> None:
    farm.worker("-c", "1")
    held = farm.send("holds_the_lock", "held", 30.0)
    farm.started("held")
    behind, later = farm.send("quick", "behind"), farm.send("quick", "later", countdown=0.5)
    farm._app.control.revoke([behind.id, later.id])
    held.revoke(terminate=True)
    assert [ended(one) for one in (held, behind, later)] == [states.REVOKED] * 3
    assert [line.words[1] for line in farm.lines("start")] == ["held"]


@pytest.mark.parametrize("lane", [("-c", "1"), ("-P", "asyncio", "-c", "1")], ids=["prefork", "asyncio"])
def test_who_was_cut_off_hears_of_it_when_it_is_back(
    own_redis: Callable[..., RedisServer], tmp_path: Any, lane: tuple[str, ...]
) -> None:
    server = own_redis()
    with Proxy(server.port) as proxy, Farm(tmp_path, broker=proxy.url(), backend=proxy.url(), worker_lease=3) as farm:
        farm.worker(*lane)
        with direct(farm, server.url()):
            running = farm.send("hold", "running", str(farm.gate()))
            farm.started("running")
            waiting = farm.send("quick", "waiting")
            proxy.target = free_port()
            with server.client() as client:
                client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            until(lambda: "trying again" in farm.said() or "cannot be reached" in farm.said())
            running.revoke(terminate=True)
            waiting.revoke()
            assert running.state == waiting.state == states.PENDING
            proxy.target = server.port
            assert [ended(running), ended(waiting)] == [states.REVOKED] * 2
            assert not farm.lines("start", "waiting")
            assert not farm.lines("end", "running")


@contextmanager
def direct(farm: Farm, url: str) -> Any:
    """Callers reach the server when workers do not."""
    with Umbel("caller", broker=url, backend=url, set_as_current=False) as app:
        farm._app = app
        yield
