"""Processes and supervisors killed and frozen under load: nothing lost, few duplicates, no rescue without a fault."""

import signal
from pathlib import Path

from tests.redis.load import Load, signal_all, whole
from tests.worker.fleet import until

SLOTS = "4"


def test_without_a_fault_nothing_is_lost_doubled_or_rescued(load: Load) -> None:
    load.publish(1500)
    load.farm.worker("-c", SLOTS)
    load.farm.worker("-c", SLOTS)
    tally = load.drain()
    assert tally.problems() == []
    assert tally.duplicates == []


def test_killed_processes(load: Load) -> None:
    load.publish(900)
    load.publish(200, task="chord")
    load.farm.worker("-c", SLOTS)
    for ended in (100, 300, 500, 700, 900):
        load.reach(ended)
        load.kill(load.runner(), "a process", slots=1)
    assert load.drain().problems() == []


def test_killed_supervisors_and_a_lost_machine(load: Load) -> None:
    load.publish(900)
    load.publish(200, task="chord")
    first = load.farm.worker("-c", SLOTS)
    load.reach(150)
    load.kill(first.process.pid, "a supervisor", slots=int(SLOTS))
    second = load.farm.worker("-c", SLOTS)
    load.reach(600)
    load.lose(second, slots=int(SLOTS))
    last = load.farm.worker("-c", SLOTS)
    assert load.drain().problems() == []
    assert "Rescued" in last.text


def test_a_frozen_process(load: Load) -> None:
    load.publish(1500)
    load.farm.worker("-c", SLOTS)
    for ended in (150, 450):
        load.reach(ended)
        pid = load.runner()
        load.freeze([pid], "a process", slots=1)
        until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), what=f"{pid} is ended")  # type: ignore[misc]
        signal_all([pid], signal.SIGCONT)
    assert load.drain().problems() == []


def test_a_frozen_supervisor(load: Load) -> None:
    load.publish(1500)
    frozen = load.farm.worker("-c", SLOTS)
    load.farm.worker("-c", SLOTS)
    load.reach(150)
    before = load.consumers()
    load.freeze([frozen.process.pid], "a supervisor", slots=0)
    until(lambda: load.lapsed(before), what="its lease has ended")
    frozen.signal(signal.SIGCONT)
    tally = load.drain()
    assert tally.problems() == []
    assert not tally.rescues, "its processes renewed for themselves"


def test_a_frozen_worker_is_rescued_by_another_and_fenced(load: Load) -> None:
    load.publish(1500)
    frozen = load.farm.worker("-c", SLOTS)
    other = load.farm.worker("-c", SLOTS)
    load.reach(150)
    pids = whole(frozen)
    load.freeze(pids, "a worker", slots=int(SLOTS))
    until(lambda: "Rescued" in other.text, what=f"a rescue; {other.text}")
    signal_all(pids, signal.SIGCONT)
    assert load.drain().problems() == []


def test_everything_frozen(load: Load) -> None:
    """Nobody could renew: who thaws first must not rescue the others."""
    load.publish(1500)
    workers = [load.farm.worker("-c", SLOTS) for _ in range(2)]
    load.reach(150)
    pids = [pid for worker in workers for pid in whole(worker)]
    ids = load.consumers()
    load.freeze(pids, "all", slots=2 * int(SLOTS))
    until(lambda: load.lapsed(ids) == ids, what="all leases have ended")
    signal_all(pids, signal.SIGCONT)
    assert load.drain().problems() == []
