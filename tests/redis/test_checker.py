"""The same scenarios with Umbel as it is and broken on purpose at three places: the checker sees each."""

import signal
from collections.abc import Callable

import pytest

from tests.redis.broken import Break, break_workers
from tests.redis.ledger import Tally
from tests.redis.load import Load, signal_all, whole
from tests.servers import RedisServer
from tests.worker.fleet import until

SLOTS = 4
IMPATIENT = {"result_backend_transport_options": {"retry_policy": {"max_retries": 1}}}
AS_IT_IS: tuple[Break, ...] = ()
both = pytest.mark.parametrize("whole_house", [True, False], ids=["as it is", "broken"])

SETTLE_WITHOUT_TICKET = (
    Break("broker/redis/lua/settle.lua", "if not live(id) then return false end\n", ""),
    Break("broker/redis/lua/settle.lua", "  elseif call('HEXISTS', claims, one.field) == 0 then\n    return 0\n", ""),
)
POP_WITHOUT_CLAIM = (Break("broker/redis/lua/claim.lua", "      call('HSET', claims, unpack(fields))\n", ""),)
_WRITE = "            await self._write_first(batch)\n"
_SETTLE = (
    "            turn = await self._consumer.exchange([one.settlement for one in batch], Want(self._queues, room))\n"
)
ACK_BEFORE_RESULT = (Break("worker/io_thread.py", _WRITE + _SETTLE, _SETTLE + _WRITE),)


@both
def test_a_thawed_worker_with_follow_ups(load: Load, whole_house: bool) -> None:
    """Each task that ran in it was rescued and has run elsewhere; its retry must not go out again."""
    break_workers(load.farm, *(AS_IT_IS if whole_house else SETTLE_WITHOUT_TICKET))
    frozen = load.farm.worker("-c", str(SLOTS))
    load.publish(SLOTS, task="retried", seconds=1.0)
    until(lambda: len(load.ledger.read().starts) == SLOTS, what=f"all have started; {load.farm.said()}")
    pids = whole(frozen)
    load.freeze(pids, "a worker", slots=SLOTS)
    load.farm.worker("-c", str(SLOTS))
    until(lambda: load.ledger.read().ended == 2 * SLOTS and load.is_empty(), what=f"they ran; {load.farm.said()}")
    signal_all(pids[::-1], signal.SIGCONT)  # the supervisor last: it ends what it finds stopped
    until(
        lambda: sum(load.ledger.read().starts.values()) == sum(load.ledger.ends.values()) or "ended" in frozen.text,
        what=f"they ended in the thawed worker, too; {load.farm.said()}",
    )
    tally = load.drain()
    assert_as_expected(tally, "duplicates", whole_house)


@both
def test_a_killed_process(load: Load, whole_house: bool) -> None:
    break_workers(load.farm, *(AS_IT_IS if whole_house else POP_WITHOUT_CLAIM))
    load.publish(200)
    load.farm.worker("-c", str(SLOTS))
    load.reach(50)
    load.kill(load.runner(), "a process", slots=1)
    assert_as_expected(load.drain(), "lost", whole_house)


@both
def test_results_that_cannot_be_stored_for_a_while(
    own_redis: Callable[..., RedisServer], load_at: Callable[..., Load], whole_house: bool
) -> None:
    """On two servers the result comes first: what is not stored stays claimed, and outlives the process."""
    messages, results = own_redis(), own_redis(appendonly="yes", appendfsync="always")
    load = load_at(messages.url(), backend=results.url(), look_at=results.url(), worker_lease=2, **IMPATIENT)
    break_workers(load.farm, *(AS_IT_IS if whole_house else ACK_BEFORE_RESULT))
    load.publish(100)
    load.call("held", task="hold", args=(str(load.farm.gate()),))
    worker = load.farm.worker("-c", "1")
    pid = load.farm.started("held").pid
    load.ledger.fault("the results' server killed", slots=1)
    results.kill()
    load.farm.gate().touch()
    until(lambda: "failed, trying again" in worker.text, what=f"it noticed; {worker.text[-2000:]}")
    load.kill(pid, "a process", slots=1)
    results.start()
    assert_as_expected(load.drain(), "lost", whole_house)


def assert_as_expected(tally: Tally, problem: str, whole_house: bool) -> None:
    """No problem, or this one."""
    if whole_house:
        assert tally.problems() == []
    else:
        assert problem in " ".join(tally.problems()), "the checker does not see it"
