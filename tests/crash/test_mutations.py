"""Umbel broken on purpose at three places: the checker sees each, with the lines of the ledger that prove it."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.broken import Break, break_workers
from tests.redis.load import Load, signal_all, whole
from tests.servers import RedisServer
from tests.worker.fleet import until

SLOTS = 4
IMPATIENT = {"result_backend_transport_options": {"retry_policy": {"max_retries": 1}}}
_WRITE = "            if batch:\n                await self._meanwhile(self._write_first(batch))\n"
_SENT = "            sent = self._clock.monotonic()\n"
_SETTLE = (
    "            turn = await self._consumer.exchange([one.settlement for one in batch], Want(self._queues, room))\n"
)
_RECORD = '    link.execute(SQL["claim"], (claimant.number, serial, claimant.generation, array(seqs)))\n'
_CONTENTS = '    *arrays, data = link.execute(SQL["contents"], (claimant.number, serial)).fetchone()\n'
_FORGET = '    link.execute("DELETE FROM claim WHERE consumer = ? AND serial >= ?", (claimant.number, serial))\n'

SETTLE_WITHOUT_TICKET = (
    Break("broker/redis/lua/settle.lua", "if not live(id) then return false end\n", ""),
    Break("broker/redis/lua/settle.lua", "  elseif call('HEXISTS', claims, one.field) == 0 then\n    return 0\n", ""),
)
POP_WITHOUT_CLAIM = {
    "redis": Break("broker/redis/lua/claim.lua", "      call('HSET', claims, unpack(fields))\n", ""),
    "sqlite": Break("broker/sqlite/claiming.py", _RECORD + _CONTENTS, _RECORD + _CONTENTS + _FORGET),
}
ACK_BEFORE_RESULT = Break("worker/io_thread.py", _WRITE + _SENT + _SETTLE, _SENT + _SETTLE + _WRITE)
adapters = pytest.mark.parametrize("adapter", ["sqlite", "redis"])


@pytest.fixture
def place(adapter: str, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """URLs on this adapter, another file or server each time."""
    if adapter == "sqlite":
        return lambda name: f"sqlite:///{tmp_path / name}.db"
    make = request.getfixturevalue("own_redis")
    return lambda name: str(make().url())


@pytest.mark.parametrize("whole_house", [True, False], ids=["as it is", "broken"])
def test_a_settlement_without_the_ticket_check(load_at: Callable[..., Load], redis_url: str, whole_house: bool) -> None:
    """A worker that was frozen for longer than its lease. Each task that ran in it was rescued and has run elsewhere;
    its retry must not go out again. (On SQLite nobody is rescued who lives: what is to be fenced there is dead.)
    """
    load = load_at(redis_url)
    break_workers(load.farm, *(() if whole_house else SETTLE_WITHOUT_TICKET))
    frozen = load.farm.worker("-c", str(SLOTS))
    load.publish(SLOTS, task="retried", seconds=1.0)
    until(lambda: len(load.read().starts) == SLOTS, what=f"all have started; {load.farm.said()}")
    pids = whole(frozen)
    load.freeze(pids, "a worker", slots=SLOTS)
    load.farm.worker("-c", str(SLOTS))
    until(lambda: load.read().ended == 2 * SLOTS and load.is_empty(), what=f"they ran; {load.farm.said()}")
    signal_all(pids[::-1], signal.SIGCONT)  # the supervisor last: it ends what it finds stopped
    until(
        lambda: sum(load.read().starts.values()) == sum(load.ends.values()) or "ended" in frozen.text,
        what=f"they ended in the thawed worker, too; {load.farm.said()}",
    )
    problems = load.drain().problems()
    if whole_house:
        assert problems == []
    else:
        again = [problem for problem in problems if "ran again without a fault that struck it" in problem]
        assert again, problems
        assert again[0].count(" start ") > 1, "the lines that prove it"


@adapters
def test_a_pop_without_a_claim(load_at: Callable[..., Load], place: Callable[[str], str]) -> None:
    load = load_at(place("messages"))
    break_workers(load.farm, POP_WITHOUT_CLAIM["redis" if "redis:" in load.farm.settings["broker"] else "sqlite"])
    load.publish(60, seconds=0.1)
    load.farm.worker("-c", str(SLOTS))
    load.reach(8)
    load.kill("a process", load.runner(), slots=1)
    lost = load.drain().lost
    never = [problem for problem in lost if "called and never ended" in problem.what]
    assert never, "what it ran is gone"
    assert [entry.verb for entry in never[0].proof][:2] == ["call", "called"]


@adapters
def test_an_acknowledgement_before_the_result(load_at: Callable[..., Load], place: Callable[[str], str]) -> None:
    load = load_at(place("messages"), backend=place("results"))
    break_workers(load.farm, ACK_BEFORE_RESULT)
    load.publish(20)
    load.farm.worker("-c", str(SLOTS))
    early = [problem for problem in load.drain().broken if "before its result was stored" in problem.what]
    assert early, "nobody was told too early"
    assert early[0].proof[-1].verb == "acked"


def test_results_that_cannot_be_stored_for_a_while(
    own_redis: Callable[..., RedisServer], load_at: Callable[..., Load]
) -> None:
    """On two servers the result comes first: what is not stored stays claimed, and outlives the process."""
    messages, results = own_redis(), own_redis(appendonly="yes", appendfsync="always")
    load = load_at(messages.url(), backend=results.url(), look_at=results.url(), worker_lease=2, **IMPATIENT)
    load.publish(100)
    load.call("held", task="hold", args=(str(load.farm.gate()),))
    worker = load.farm.worker("-c", "1")
    pid = load.farm.started("held").pid
    results.kill()
    load.farm.gate().touch()
    until(lambda: "failed, trying again" in worker.text, what=f"it noticed; {worker.text[-2000:]}")
    load.kill("a process", pid, slots=1)
    results.start()
    assert load.drain().problems() == []
