"""What a worker shows of itself: to probes on its machine, and to those who share its broker."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.servers import RedisServer
from tests.worker.fleet import Farm, until
from umbel.cli.desk import ask
from umbel.cli.group import root
from umbel.cli.session import Session
from umbel.core.vitals import WorkerVitals

LEASE = 3.0


@pytest.fixture
def node() -> str:
    """Other tests have workers on this machine too."""
    return f"w{uuid.uuid4().hex[:8]}@here"


@pytest.fixture
def farm_at(tmp_path: Path) -> Iterator[Callable[..., Farm]]:
    """A farm on a server of the test's own."""
    with ExitStack() as stack:

        def make(url: str, **settings: Any) -> Farm:
            farm = stack.enter_context(Farm(tmp_path, broker=url, backend=url, **settings))
            stack.enter_context(farm.app())
            return farm

        yield make


def health(*arguments: str) -> tuple[int, str]:
    """``umbel health``: its status and what it says."""
    done = CliRunner().invoke(root, ["health", *arguments], obj=Session(), standalone_mode=False)
    status = done.return_value if isinstance(done.return_value, int) else 1
    return status, done.output.strip() or str(done.exception)


def test_a_probe_loads_no_application_and_nothing_that_draws(tmp_path: Path) -> None:
    program = (
        "import sys; from umbel.cli import main\n"
        "try: main(['health', '--node', 'nobody@nowhere'])\n"
        "finally: print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    loaded = done.stdout.split()
    assert "umbel.cli.health" in loaded, done.stderr
    heavy = ("rich", "umbel.app.application", "umbel.app.task", "umbel.worker", "umbel.broker", "umbel.drivers")
    assert [name for name in loaded if name.startswith(heavy)] == []


def told_ill(socket: str) -> str:
    """What is said of a worker that is not well; nothing of one that is."""
    status, line = health("--socket", socket)
    return line if status else ""


def shown(farm: Farm, node: str) -> WorkerVitals:
    one: WorkerVitals = farm._app.workers.get(node)
    return one


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_worker_without_work_stays_well(farm_with: Callable[..., Farm], node: str, pool: str) -> None:
    """Where a lock tells who lives, nothing but its waits shows that it reaches the broker."""
    farm = farm_with(worker_lease=1.0)
    farm.worker("-P", pool, "-c", "1", "-n", node)
    until(lambda: (shown(farm, node).uptime or 0.0) > 4.0)
    until(lambda: health("--node", node, "--ready") == (0, f"{node}: 1 idle"), 3, what=str(shown(farm, node)))


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_a_worker_is_shown_once(farm: Farm, node: str, pool: str) -> None:
    farm.worker("-P", pool, "-c", "1", "-n", node)

    def members() -> list[str]:
        return [one.node for one in ask(farm._app, lambda keeper: keeper.members())]

    until(lambda: members().count(node) == 2, what="who runs, and who rescues")
    assert [(one.here, len(one.processes)) for one in farm._app.workers if one.node == node] == [(True, 1)]


def test_a_worker_shows_what_it_does_and_who_is_stuck(farm_with: Callable[..., Farm], node: str) -> None:
    socket = str(farm_socket(node))
    farm = farm_with(worker_lease=LEASE, worker_health_socket=socket)
    assert health("--node", node)[0] == health("--socket", socket)[0] == 1, "there is no such worker yet"
    worker = farm.worker("-c", "2", "-n", node)
    assert health("--node", node) == health("--socket", socket) == (0, f"{node}: 2 idle")
    held, other = (farm.send("hold", key, str(farm.gate())) for key in ("one", "two"))
    first = farm.started("one")
    farm.started("two")

    until(lambda: health("--socket", socket, "--ready") == (0, f"{node}: 2 running"))
    one = shown(farm, node)
    assert (one.here, one.pid, one.pool, one.queues) == (True, worker.process.pid, "prefork", ["celery"])
    running = {doing.id: doing for process in one.processes for doing in process.running or ()}
    assert {held.id, other.id} == set(running)
    assert running[held.id].task == "tests.worker.subjects.hold"
    assert 0 < running[held.id].seconds < 20
    assert [process.held for process in one.processes] == [1, 1]
    assert all(process.reached is not None and process.reached < 3 * LEASE for process in one.processes)

    os.kill(first.pid, signal.SIGSTOP)
    line = until(lambda: told_ill(socket))
    assert f"(pid {first.pid}) is stuck" in line
    assert "stopped by a signal" in line
    farm.started("one", times=2)  # the supervisor has ended it and begun anew
    until(lambda: health("--socket", socket)[0] == 0)

    worker.signal(signal.SIGSTOP)
    assert health("--socket", socket, "--timeout", "0.2")[0] == 1
    worker.signal(signal.SIGCONT)
    worker.signal(signal.SIGTERM)
    until(lambda: health("--socket", socket) == (0, f"{node}: stopping, 2 stopping"))
    assert health("--socket", socket, "--ready")[0] == 1
    farm.gate().touch()
    assert worker.wait() == 0
    assert node not in [seen.node for seen in farm._app.workers]


@pytest.mark.parametrize("lane", ["prefork", "solo"])
def test_who_lets_nothing_else_run_is_busy_and_well(farm_with: Callable[..., Farm], node: str, lane: str) -> None:
    farm = farm_with(worker_lease=1.0, worker_health_socket=str(farm_socket(node)))
    worker = farm.worker("-c", "1", "-P", lane, "-n", node)
    farm.send("holds_the_lock", "c", 3.0)
    farm.started("c")
    if lane == "prefork":
        until(lambda: health("--socket", str(farm_socket(node)), "--ready") == (0, f"{node}: 1 busy"))
    else:
        assert health("--socket", str(farm_socket(node)), "--timeout", "0.2")[0] == 1, "nobody else can tell"
    until(lambda: farm.lines("end", "c"))
    status, said = health("--socket", str(farm_socket(node)))
    assert status == 0, f"it was busy, and neither stuck nor cut off: {said}"
    until(lambda: health("--socket", str(farm_socket(node))) == (0, f"{node}: 1 idle"))
    assert worker.stop() == 0
    assert not farm_socket(node).exists()


def farm_socket(node: str) -> Path:
    """Short enough for a socket, wherever the tests are."""
    return Path(f"/tmp/{node}.sock")


def test_a_broker_that_is_away_is_no_reason_to_end_a_worker(
    own_redis: Callable[..., RedisServer], farm_at: Callable[..., Farm], node: str
) -> None:
    server: Any = own_redis()
    farm = farm_at(server.url(), worker_lease=1.0)
    farm.worker("-c", "1", "-n", node)
    server.kill()
    until(lambda: "has not reached the broker for" in health("--node", node)[1])
    assert health("--node", node)[0] == 0
    assert health("--node", node, "--ready")[0] == 1
    server.start()
    until(lambda: health("--node", node, "--ready") == (0, f"{node}: 1 idle"))


def test_of_workers_elsewhere_the_broker_knows_who_lives(
    farm: Farm, node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.worker("-c", "1", "-n", node)
    farm.send("hold", "one", str(farm.gate()))
    farm.started("one")
    monkeypatch.setattr("umbel.app.workers.neighbours", lambda timeout: ([], []))
    one = shown(farm, node)
    assert (one.here, one.pool, one.queues) == (False, None, ["celery"])
    assert [(process.state, process.held, process.running) for process in one.processes] == [("alive", 1, None)]
    farm.gate().touch()
