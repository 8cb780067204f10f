"""What the commands of an operator ask of a broker: a short look through a keeper that claims nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from umbel import Umbel
from umbel.broker.base import Admin
from umbel.cli.screen import refuse
from umbel.core.delivery import Depth
from umbel.core.queues import original_of

T = TypeVar("T")


def ask(app: Umbel, question: Callable[[Admin], Awaitable[T]]) -> T:
    """Open a keeper, put ``question`` to it, and close it."""

    async def put() -> T:
        async with app.connections.keeper() as keeper:
            return await question(keeper)

    return asyncio.run(put())


def depths(app: Umbel) -> list[Depth]:
    """Every queue that exists or is declared, counted, by name. Workers' copies of a broadcast queue count for it."""

    async def survey(keeper: Admin) -> list[Depth]:
        return await keeper.survey(None)

    found = {name: Depth(name) for name in app.queues_by_name}
    for depth in ask(app, survey):
        name = original_of(depth.queue)
        known = found.get(name)
        found[name] = msgspec.structs.replace(depth, queue=name) if known is None else _sum(known, depth)
    return [found[name] for name in sorted(found)]


async def purge(keeper: Admin, queue: str) -> int:
    """Delete what waits in a queue, and in copies of it; how many."""
    names = {depth.queue for depth in await keeper.survey(None) if original_of(depth.queue) == queue}
    return sum([await keeper.purge(name) for name in {queue, *names}])


def _sum(one: Depth, other: Depth) -> Depth:
    counts = [getattr(one, field) + getattr(other, field) for field in Depth.__struct_fields__[1:]]
    return Depth(one.queue, *counts)


def chosen(known: list[str], only: list[str], without: list[str]) -> list[str]:
    """The queues that ``-Q`` and ``-X`` leave over. Refuses a name that nothing has."""
    for name in (*only, *without):
        if name not in known:
            refuse(f"no queue named {name!r}; there is {', '.join(known) or 'none'}")
    return [name for name in (only or known) if name not in without]


def names(text: str | None) -> list[str]:
    """``a,b`` as a list."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]
