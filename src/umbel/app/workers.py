"""``app.workers``: who works for this app's broker, and what each does as far as it can be known here. Orders nothing.

Of the workers of this machine their windows tell everything; of others the broker knows who they are, whether they
live, and how many messages they hold.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from umbel.app import coroutine
from umbel.app.nearest import advice
from umbel.app.neighbours import neighbours
from umbel.core.delivery import Member
from umbel.core.vitals import ProcessVitals, State, WorkerVitals

if TYPE_CHECKING:
    from umbel.app.application import Umbel

PATIENCE = 1.0
"""Seconds that the workers of this machine have to answer; one that does not is shown as the broker knows it."""


class Workers:
    """The workers of an app's broker. Each verb has a twin for coroutines, with an ``a`` in front.

    Raises ``OperationalError`` when the broker cannot be reached, and ``KeyError`` for a name that nobody has.
    """

    def __init__(self, app: "Umbel") -> None:
        self._app = app

    async def alist(self) -> list[WorkerVitals]:
        """All of them, by name; two of one name are two."""
        async with self._app.connections.keeper() as keeper:
            members = await keeper.members()
        found, _ = await asyncio.to_thread(neighbours, PATIENCE)
        return merged(members, found)

    def __iter__(self) -> Iterator[WorkerVitals]:
        """All of them, by name."""
        return iter(coroutine.run(self.alist()))

    async def aget(self, node: str) -> WorkerVitals:
        """The worker of this name."""
        found = await self.alist()
        for one in found:
            if one.node == node:
                return one
        raise KeyError(f"no worker named {node!r}{advice(node, [one.node for one in found])}")

    def get(self, node: str) -> WorkerVitals:
        """The worker of this name."""
        return coroutine.run(self.aget(node))


def merged(members: Iterable[Member], found: Iterable[WorkerVitals]) -> list[WorkerVitals]:
    """The register, with what is known better here. Who is not on the register works for another broker."""
    register = {member.id: member for member in members}
    workers = []
    for one in found:
        ids = {one.id, *(process.id for process in one.processes)}
        if ids.isdisjoint(register):
            continue
        for process in one.processes:
            if (member := register.get(process.id)) is not None:
                process.held = member.claimed
        register = {id: member for id, member in register.items() if id not in ids}
        workers.append(one)
    return sorted([*workers, *_elsewhere(register.values())], key=lambda one: (one.node, one.pid or 0))


def _elsewhere(members: Iterable[Member]) -> list[WorkerVitals]:
    """Workers as the broker knows them. Those who hold nothing and have no name yet are about to be somebody's."""
    workers: dict[str, WorkerVitals] = {}
    for member in members:
        if "@" not in member.node and not member.claimed:
            continue
        worker = workers.setdefault(member.node, WorkerVitals(member.node or "?", here=False))
        worker.queues = sorted({*worker.queues, *member.queues})
        if not member.width:
            worker.id, worker.pid = member.id, member.pid
            continue
        state: State = "alive" if member.alive else "lost"
        process = ProcessVitals(member.id, None, member.pid, state, held=member.claimed)
        worker.processes.append(process)
    return list(workers.values())
