"""The checker and the schedule, which are pure: each guarantee that is broken is found, with the lines that show it."""

from collections import Counter
from pathlib import Path

import pytest

from tests.crash.pair import Pair
from tests.crash.schedule import ADAPTERS, LANES, LEAST, Schedule, kinds, schedule
from umbel.testing.ledger import Ledger, parse
from umbel.testing.verdict import Verdict, judge


def verdict(text: str) -> Verdict:
    return judge(parse(line) for line in text.splitlines() if line)


GOOD = """
1.0 9 call a id=A
1.1 9 called a
2.0 1 start a id=A
2.5 1 end a
3.0 9 seen a SUCCESS
"""


def problem(more: str, base: str = GOOD, **bounds: float) -> str:
    (found,) = verdict(base + more.strip()).problems(**bounds)
    return found


def test_a_run_without_a_fault_has_no_problem() -> None:
    found = verdict(GOOD)
    assert found.problems(recovery=0.0) == []
    assert (found.tasks, found.faults, found.duplicates, found.bound) == (1, Counter(), 0, 0)


def test_what_was_accepted_and_never_ended_is_lost() -> None:
    found = problem("1.2 9 call b\n1.3 9 called b\n2.0 1 start b")
    assert found.splitlines() == [
        "b is lost: it was called and never ended",
        "    1.200000 9 call b",
        "    1.300000 9 called b",
        "    2.000000 1 start b",
    ]


def test_what_nobody_was_told_is_out_may_be_lost() -> None:
    assert verdict(GOOD + "1.2 9 call b\n1.3 9 raised b seconds=1").problems() == []


def test_a_call_that_neither_returns_nor_raises() -> None:
    found = problem("1.2 8 call b\n1.2 8 call c")
    assert found.splitlines() == ["the call of c neither returned nor raised", "    1.200000 8 call c"]
    assert verdict(GOOD + "1.2 8 call b\n1.3 9 fault kill pids=8 slots=0").problems() == [], "its caller was struck"
    assert "the call of b neither" in problem("1.2 8 call c\n1.3 8 raised c seconds=1\n1.4 8 call b")


def test_a_result_that_nobody_sees_is_lost() -> None:
    assert "nobody saw it SUCCESS" in problem("1 9 call b id=B\n1 9 called b\n2 1 start b\n3 1 end b")
    assert "nobody saw it dead" in problem("1 9 call b expect=dead\n1 9 called b\n2 1 start b\n3 1 left b")
    assert verdict(GOOD + "1 9 call b expect=dead\n1 9 called b\n2 1 left b\n4 9 seen b dead").problems() == []


def test_what_fails_beside_a_task_that_takes_all_memory_is_not_lost() -> None:
    failed = "1 9 call b id=B\n1 9 called b\n4 9 seen b FAILURE\n"
    assert "b is lost" in problem(failed)
    assert verdict(GOOD + failed + "2 1 fault limits pids=1 slots=1 fails=1").problems() == []
    asked = "1 9 call d expect=FAILURE\n1 9 called d\n2 1 left d\n3 9 seen d FAILURE\n"
    assert verdict(GOOD + asked + failed + "2 1 fault limits pids=1 slots=1 fails=1").problems() == [], "d uses up none"
    two = failed + failed.replace(" b", " c")
    assert "c is lost" in problem(two + "2 1 fault limits pids=1 slots=1 fails=1"), "one slot, one failure"


def test_a_second_run_needs_a_fault_that_struck_the_first() -> None:
    again = "\n2.6 2 start a id=A\n2.7 2 end a"
    assert len(verdict(GOOD + again).problems()) == 2, "beyond the bound, and without a reason"
    assert verdict(GOOD + "2.3 9 fault kill pids=1 slots=1" + again).problems() == []
    assert "without a fault that struck it" in problem("2.3 9 fault kill pids=3 slots=1" + again)
    assert "a task, ran again" in problem("0.5 9 fault kill pids=1 slots=1" + again), "it came before the first start"
    assert len(verdict(GOOD + "2.3 9 fault rolling pids=1 slots=0" + again).problems()) == 2, "that excuses nothing"


def test_who_called_twice_may_have_two_runs() -> None:
    assert verdict(GOOD + "1.05 9 call a\n2.6 2 start a id=A\n2.7 2 end a").problems() == []


def test_the_body_of_a_chord_is_named() -> None:
    body = "1 9 call b body=1\n1 9 called b\n2.1 1 start b\n2.2 1 end b\n2.5 1 start b\n2.6 1 end b"
    assert "the body of a chord, ran again" in problem(body + "\n2.3 9 fault kill pids=5 slots=4")


def test_more_duplicates_than_faults_excuse() -> None:
    runs = "".join(f"\n2.{n} 1 start a id=A" for n in range(1, 4))
    assert "3 duplicates where the faults excuse 2" in problem("2.25 9 fault kill pids=1 slots=1" + runs)


def test_a_rescue_needs_a_fault_that_reached_the_process() -> None:
    assert "what process 1 held" in problem("2.1 7 rescue A pid=1 node=n")
    assert "what process 1 held" in problem("2.0 9 fault kill pids=2 slots=1\n2.1 7 rescue A pid=1 node=n")
    assert verdict(GOOD + "2.0 9 fault kill pids=1,2 slots=1\n2.1 7 rescue A pid=1 node=n").problems() == []


def test_an_acknowledgement_before_the_result() -> None:
    found = problem("2.6 1 acked A stored=no")
    assert found.splitlines()[0] == "acknowledged before its result was stored"
    assert found.splitlines()[1:] == ["    2.000000 1 start a id=A", "    2.600000 1 acked A stored=no"]
    assert verdict(GOOD + "2.6 1 acked A stored=yes").problems() == []
    away = "2.1 9 fault fail-over slots=0 outage=1\n2.4 9 mended fail-over\n"
    assert verdict(GOOD + away + "2.6 1 acked A stored=no").problems() == [], "it may have been read elsewhere"


def test_what_was_acknowledged_neither_runs_nor_is_acknowledged_again() -> None:
    acked, killed = "2.6 1 acked A stored=yes\n", "2.7 9 fault kill pids=1 slots=1\n"
    again = acked + killed + "2.8 2 start a id=A\n2.9 2 end a\n"
    assert problem(again).splitlines()[0] == "a ran again after it was acknowledged", "whoever was killed then"
    frozen = "2.1 9 fault freeze pids=2 slots=1\n"
    assert verdict(GOOD + frozen + again).problems() == [], "it slept before its first line, and is fenced"
    twice = "2.3 9 fault freeze pids=1 slots=1\n2.4 2 start a id=A\n2.5 2 end a\n" + acked + "2.9 2 acked A stored=yes"
    assert problem(twice).splitlines()[0] == "a was acknowledged again"
    assert verdict(GOOD + acked).witnessed == 1
    assert "    2.900000 2 acked A stored=yes" in problem(twice).splitlines(), "the lines that prove it"
    assert verdict(GOOD + "1.05 9 call a\n" + again).problems() == [], "it was called twice"
    itself = acked + "2.7 1 start a-again id=A\n2.8 1 end a-again\n2.9 1 acked A stored=yes"
    assert verdict(GOOD + itself).problems() == [], "a retry is another message"


def test_recoveries_are_measured_from_the_fault_to_the_first_sign() -> None:
    struck = "2.2 9 fault kill pids=1 slots=1\n6.0 2 start a id=A\n6.1 2 end a"
    open_start = GOOD.replace("2.5 1 end a\n", "")
    (one,) = verdict(open_start + struck).recoveries
    assert one.seconds == pytest.approx(3.8)
    assert "back after 3.80 s" in problem(struck, open_start, recovery=3.0)
    assert verdict(open_start + struck + "\n3.2 7 back A").slowest == pytest.approx(1.0)
    assert verdict(open_start + "2.4 1 left a\n" + struck).slowest == pytest.approx(0.2), "it was not interrupted"
    again = "\n5.0 9 fault kill-worker pids=7 slots=1 rescuers=1"
    assert verdict(open_start + struck + again).slowest == pytest.approx(1.0), "those who rescue were struck themselves"
    away = "\n2.5 9 fault stop slots=0 outage=1\n5.5 9 mended stop"
    assert verdict(open_start + struck + away).slowest == pytest.approx(0.5), "nobody could be reached until then"


def test_a_death_that_a_supervisor_sees_has_a_bound_of_its_own() -> None:
    dies = "2.2 9 fault exits pids=1 slots=1 dies=1\n4.2 2 start a id=A\n4.3 2 end a"
    open_start = GOOD.replace("2.5 1 end a\n", "")
    assert "back after 2.00 s, allowed are 1.00" in problem(dies, open_start, recovery=3.0, seen=1.0)
    assert verdict(open_start + dies).problems(recovery=3.0) == []
    assert verdict(open_start + dies.replace(" dies=1", "")).problems(recovery=3.0, seen=1.0) == [], "it was frozen"
    orphan = "2.1 9 fault kill-worker pids=7,1 slots=1 rescuers=1\n"
    assert verdict(open_start + orphan + dies).problems(recovery=3.0, seen=1.0) == [], "its supervisor was dead"
    frozen = "2.1 9 fault freeze-supervisor pids=7 slots=0 rescuers=1 over=1,3\n"
    assert verdict(open_start + frozen + dies).problems(recovery=3.0, seen=1.0) == [], "or slept"


def test_a_kill_of_an_idle_process_is_no_fault() -> None:
    found = verdict(GOOD + "2.9 9 fault kill pids=1 slots=1\n2.9 9 fault failpoint-parked pids=1 slots=1 stroke=kill")
    assert (found.faults, found.idle) == (Counter({"failpoint-parked": 1}), 1)


def test_a_run_without_a_witness_proves_nothing_about_acknowledgements(tmp_path: Path) -> None:
    pair = Pair("sqlite", "threads", Schedule((), ()), tmp_path, 1)
    pair.verdicts = [verdict(GOOD)]
    assert pair.problems() == ["of 1 tasks 0 were seen acknowledged: that proves little"]
    pair.verdicts = [verdict(GOOD + "2.6 1 acked A stored=yes")]
    assert pair.problems() == []


def test_a_ledger_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.note("start", "a", id="A B")
    with ledger.path.open("a") as file:
        file.write("3.0 1 end")
    (entry,) = ledger.read()
    assert (entry.verb, entry.key, entry.facts) == ("start", "a", {"id": "A-B"})
    assert list(ledger.read()) == []
    with ledger.path.open("a") as file:
        file.write(" a\n")
    assert [one.verb for one in ledger.read()] == ["end"]


# The schedule ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("lane", LANES)
def test_every_kind_strikes_every_pair_often_enough(adapter: str, lane: str) -> None:
    plan = schedule(1, adapter, lane, 170)
    counts = Counter(one.kind for one in plan.strikes)
    assert set(counts) == set(kinds(adapter, lane))
    assert min(counts.values()) >= LEAST
    assert counts.total() + len(plan.jumps) >= 170


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert schedule(7, "redis", "threads", 170) == schedule(7, "redis", "threads", 170)
    assert schedule(7, "redis", "threads", 170) != schedule(8, "redis", "threads", 170)
    assert schedule(7, "redis", "threads", 170).strikes != schedule(7, "redis", "asyncio", 170).strikes
