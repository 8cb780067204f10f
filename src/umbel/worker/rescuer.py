"""The rescuer: settles what the dead held. Decides by ``core.settle``; runs no user code on the loop.

A process of this worker that died is settled at once, with what its board shows; what others have left behind is
adopted when their claims have lapsed, with what the claims show.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from umbel.app.application import Umbel
from umbel.app.execution import failure_record
from umbel.app.remote import value_of
from umbel.app.traits import Traits
from umbel.app.trouble import one_line
from umbel.broker.base import Admin, Consumer
from umbel.core import states
from umbel.core.delivery import (
    Adopted,
    Bury,
    ConsumerId,
    Keep,
    Loss,
    Refused,
    Release,
    Settled,
    Settlement,
    Verdict,
    Want,
)
from umbel.core.errors import BackendStoreError, OperationalError, TaskRevokedError, TimeLimitExceeded, WorkerLostError
from umbel.core.outcome import Failure, Lost, Outcome, Revoked, Unreadable
from umbel.core.settle import Decision, Policy, is_final, settle
from umbel.runtime import system
from umbel.runtime.aside import Aside
from umbel.runtime.children import signal_name
from umbel.worker.announce import context_of, tell_failure, tell_terminated
from umbel.worker.board import Slot
from umbel.worker.joining import ENDED_OUTSIDE, Joiner, Share, beside
from umbel.worker.plan import Plan, accepted
from umbel.worker.seat import Killing

logger = logging.getLogger("umbel.worker")
BATCH = 64
OTHERS_OWN = 0.75
"""Seconds that another worker has at least to settle for a process of its own."""
BREAKAGE = system.BREAKS
"""Signals by which a process breaks of itself. Then, as with an exit code, what it ran last and did not settle any more
is to blame: or a task that breaks its process a moment after it has ended would do so for ever.
"""


class Death:
    """How a process of this worker ended, and what its board showed then."""

    def __init__(
        self,
        pid: int,
        number: int | None,
        exitcode: int | None,
        slots: list[Slot],
        stopping: bool,
        killing: Killing | None,
        begun: frozenset[int] = frozenset(),
    ) -> None:
        self.pid = pid
        self.signal = number
        self.exitcode = exitcode
        broke = bool(exitcode) or number in BREAKAGE
        self.slots = [slot for slot in slots if slot.running or slot.torn or (broke and slot.serial)]
        self.stopping = stopping or (killing is not None and killing.why == "shutdown")
        self.killing = killing
        self.begun = begun

    def __str__(self) -> str:
        if self.signal is not None:
            return f"killed by {signal_name(self.signal)}"
        if self.exitcode is not None:
            return f"ended with exit code {self.exitcode}"
        return "ended"

    def ran(self, one: Adopted) -> bool:
        """Whether the board showed this message as running. A torn slot may have been anything that stood in line."""
        return any(slot.serial == one.serial or (slot.torn and one.rank < one.width) for slot in self.slots)


class Rescuer:
    """Adopts under the supervisor's own tickets and settles."""

    def __init__(self, app: Umbel, plan: Plan, consumer: Consumer, keeper: Admin, aside: Aside) -> None:
        self._app = app
        self._plan = plan
        self._consumer = consumer
        self._keeper = keeper
        self._clock = app.clock
        self._store = app.store
        self._aside = aside
        self._traits: dict[str, Traits] = {}
        self._judged: list[tuple[Adopted, Outcome]] = []
        """Adopted, and not settled yet: a verdict outlives a broker that goes away in between."""
        self._dead: dict[ConsumerId, float] = {}
        """Since when others are known to be dead."""
        self._lock = asyncio.Lock()
        self._joiner = Joiner(app)
        self._accept = accepted(app)

    async def settle_for(self, consumer: ConsumerId, death: Death) -> int:
        """Settle everything that a process of ours held. Raises ``OperationalError`` when the broker is away."""
        return await self._all(consumer, lambda one: self._of_ours(one, death))

    async def rescue(self) -> int:
        """Settle what lapsed consumers elsewhere have left."""
        if self._app.broker.features.liveness == "clock":
            return await self._all(None, self._of_others)
        return sum([await self._all(id, self._of_others) for id in await self._left_alone()])

    async def _left_alone(self) -> list[ConsumerId]:
        """The dead of others, where the kernel tells of a death at once. A worker that lives settles for its own: it
        knows how they died, and a process that was told to stop must not count as lost.
        """
        now = self._clock.monotonic()
        dead = [member.id for member in await self._keeper.members() if not member.alive]
        self._dead = {id: self._dead.get(id, now) for id in dead}
        return [id for id, since in self._dead.items() if now - since > OTHERS_OWN]

    async def _all(self, consumer: ConsumerId | None, judge: Callable[[Adopted], Outcome]) -> int:
        count = 0
        async with self._lock:
            await self._settle()
            while adopted := await self._keeper.adopt(consumer, BATCH):
                count += len(adopted)
                self._judged = [(one, judge(one)) for one in adopted]
                await self._settle()
        return count

    async def reopen(self) -> None:
        """Connect anew, and keep what is adopted and not settled yet."""
        async with self._lock:
            holding = [one.delivery.ticket for one, _ in self._judged]
            kept = await self._consumer.open(lease=self._plan.lease, width=0, holding=holding)
            self._judged = [(one, outcome) for one, outcome in self._judged if one.delivery.ticket in kept]

    async def _settle(self) -> None:
        if not self._judged:
            return
        settlements, records, decided, shares = [], [], [], []
        for one, outcome in self._judged:
            decision = await self._decide(one, outcome)
            ops: tuple[Any, ...] = ()
            if decision.record is not None and self._store is not None:
                if self._app.broker.shares_server(self._store):
                    ops = (self._store.compile(decision.record),)
                else:
                    records.append(decision.record)
            share, more = self._joiner.share(decision)
            settlements.append(Settlement(one.delivery.ticket, decision.disposition, decision.publish, (*ops, *more)))
            decided.append((one, outcome, decision))
            shares.append(share)
        if records and self._store is not None:
            await self._store.write(records)
        verdicts = await self._exchange(settlements, shares)
        refused = [
            Settlement(settlement.ticket, Bury("lost", str(verdict.error)))
            for settlement, verdict in zip(settlements, verdicts, strict=True)
            if isinstance(verdict, Refused)
        ]
        if refused:
            logger.error("%d lost messages are buried without a result: %s", len(refused), refused[0].disposition)
            await self._consumer.exchange(refused, Want((), 0))
        for (one, _, _), share, verdict in zip(decided, shares, verdicts, strict=True):
            await self._see_to_bodies(one, share, verdict)
        self._judged = []
        for one, outcome, decision in decided:
            self._tell(one, outcome, decision)

    async def _decide(self, one: Adopted, outcome: Outcome) -> Decision:
        """What the outcome means; if the task has ended with it, for those who wait for it too."""
        policy, losses = self._policy(one), one.delivery.losses
        decision = settle(outcome, policy, losses)
        if outcome.after is None and is_final(decision) and isinstance(outcome, ENDED_OUTSIDE):
            outcome.after = await beside(self._joiner.ended, one.delivery.message, outcome, self._accept)
            decision = settle(outcome, policy, losses)
        return decision

    async def _exchange(self, settlements: list[Settlement], shares: list[Share]) -> list[Verdict]:
        for settlement, share in zip(settlements, shares, strict=True):
            if share.unread:
                settlement.ops = (*settlement.ops, *await self._joiner.read(share))
        await self._joiner.prepare(shares)
        for settlement, share in zip(settlements, shares, strict=True):
            if share.joined:
                settlement.disposition = Keep()
        turn = await self._consumer.exchange(settlements, Want((), 0))
        if turn.lost:
            raise OperationalError("the supervisor lost its lease before it had settled for the dead")
        for share in shares:
            await self._joiner.complete(share)
        return turn.verdicts

    async def _see_to_bodies(self, one: Adopted, share: Share, verdict: Verdict) -> None:
        """Settle again, with the bodies of the joins that this completed, until none is left."""
        while isinstance(verdict, Settled) and (joined := verdict.joined or share.joined):
            decision = await beside(self._joiner.body, one.delivery.message, share, joined)
            if decision is None:
                decision = Decision(Bury("failed", "the body of its chord met an error in Umbel itself"))
            share, ops = self._joiner.share(decision)
            settlement = Settlement(one.delivery.ticket, decision.disposition, decision.publish, ops)
            (verdict,) = await self._exchange([settlement], [share])

    # Judging ----------------------------------------------------------------------------------------------------------

    def _of_ours(self, one: Adopted, death: Death) -> Outcome:
        message = one.delivery.message
        if message is None:
            return Unreadable("undecodable", one.delivery.undecodable.reason if one.delivery.undecodable else "")
        ran, killing = death.ran(one), death.killing
        if killing is not None and killing.slot is not None:
            if ran and killing.slot.serial == one.serial:
                if killing.why == "revoked":
                    return self._terminated(one, death.signal)
                return self._timed_out(one, killing.slot, death)
            if not ran and one.serial not in death.begun:
                return self._lost(one, str(death), started=False)
        outcome = self._lost(one, str(death), started=ran, pid=death.pid, number=death.signal, code=death.exitcode)
        # Beside a task that was ended for its limit, another one is innocent.
        outcome.stopping = death.stopping or one.stopping or (killing is not None and killing.slot is not None)
        # A mark alone says only that the lane could have started it: the board knows better. It also knows of one that
        # ended and was not settled any more.
        outcome.begun = one.begun and (ran or one.serial in death.begun)
        return outcome

    def _of_others(self, one: Adopted) -> Outcome:
        if one.delivery.message is None:
            return Unreadable("undecodable", one.delivery.undecodable.reason if one.delivery.undecodable else "")
        outcome = self._lost(one, f"its worker {one.node} was lost", started=one.rank < one.width, pid=one.pid)
        outcome.stopping = one.stopping
        outcome.begun = one.begun
        outcome.whole = True
        return outcome

    def _lost(
        self,
        one: Adopted,
        why: str,
        *,
        started: bool,
        pid: int | None = None,
        number: int | None = None,
        code: int | None = None,
    ) -> Lost:
        record = failure_record(
            _id(one), WorkerLostError(f"Worker process {pid or one.pid} was lost: {why}"), self._clock
        )
        return Lost(record, Loss(self._clock.now(), one.node, pid, number, code, why), started)

    def _timed_out(self, one: Adopted, slot: Slot, death: Death) -> Failure:
        error = TimeLimitExceeded(slot.hard)
        loss = Loss(self._clock.now(), one.node, death.pid, death.signal, None, "hard time limit")
        return Failure(failure_record(_id(one), error, self._clock), one_line(error), kind="timeout", loss=loss)

    def _terminated(self, one: Adopted, number: int | None) -> Revoked:
        error = TaskRevokedError("terminated")
        record = failure_record(_id(one), error, self._clock, state=states.REVOKED)
        return Revoked(record, "terminated", number or system.KILL)

    def _policy(self, one: Adopted) -> Policy:
        message = one.delivery.message
        task = self._app.tasks.get(message.headers.task) if message else None
        if task is None or message is None:
            stored = self._store is not None
            return Policy(store_result=stored, store_errors=stored, max_deliveries=self._app.conf.task_max_deliveries)
        traits = self._traits.get(task.name)
        if traits is None:
            traits = self._traits[task.name] = Traits(task)
        return traits.policy_for(message.headers.ignore_result)

    # Telling ----------------------------------------------------------------------------------------------------------

    def _tell(self, one: Adopted, outcome: Outcome, decision: Decision) -> None:
        message = one.delivery.message
        if message is None or (isinstance(outcome, Lost) and not outcome.started and not outcome.begun):
            return
        what = f"{message.headers.task}[{message.headers.id}]"
        if isinstance(outcome, Revoked):
            how = signal_name(outcome.signal) if outcome.signal else "itself"
            logger.warning("Task %s was ended because it is revoked (%s)", what, how)
        elif isinstance(outcome, Failure):
            logger.error("Task %s was ended: %s", what, outcome.detail)
        elif isinstance(outcome, Lost):
            process = f"Process {outcome.loss.pid}" if outcome.loss.pid else "A process"
            logger.error("%s was lost while it ran %s: %s", process, what, outcome.loss.why)
            self._tell_what_follows(what, one, decision)
        if isinstance(decision.disposition, Release) or decision.record is None:
            return
        self._aside.call(self._announce, one, outcome)

    def _tell_what_follows(self, what: str, one: Adopted, decision: Decision) -> None:
        disposition, most = decision.disposition, self._app.conf.task_max_deliveries
        if isinstance(disposition, Release):
            counted = f" (loss {one.delivery.losses + 1} of {most})" if disposition.loss and most else ""
            logger.warning("Task %s runs again%s", what, counted)
        elif isinstance(disposition, Bury):
            logger.error("Task %s is not run again: it is a dead letter (umbel dead show %s)", what, _id(one))
        else:
            logger.error("Task %s is not run again", what)

    def _announce(self, one: Adopted, outcome: Outcome) -> None:
        """User code hears of a failure that happened outside of it. On a thread of its own."""
        message = one.delivery.message
        task = self._app.tasks.get(message.headers.task) if message else None
        if task is None or message is None:
            return
        context = context_of(message, self._plan.nodename, accepted(self._app), one.delivery.queue)
        if isinstance(outcome, Revoked):
            tell_terminated(self._app, message, context, outcome.signal)
            return
        if isinstance(outcome, Failure | Lost):
            tell_failure(self._app, message, context, value_of(outcome.record))


def _id(one: Adopted) -> str:
    return one.delivery.message.headers.id if one.delivery.message else ""


AWAY = (OperationalError, BackendStoreError)
"""What means that the broker or the store cannot be reached now."""
