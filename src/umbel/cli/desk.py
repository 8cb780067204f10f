"""What the commands of an operator ask of a broker: a short look through a keeper that claims nothing."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

from umbel import Umbel
from umbel.broker.base import Admin
from umbel.cli.screen import refuse
from umbel.core.delivery import ConsumerId, Depth

T = TypeVar("T")


def ask(app: Umbel, question: Callable[[Admin], Awaitable[T]]) -> T:
    """Open a keeper, put ``question`` to it, and close it."""

    async def put() -> T:
        consumer = app.broker.consumer(ConsumerId(secrets.token_hex(16)), node="umbel", queues=())
        keeper = app.broker.keeper(consumer)
        try:
            return await question(keeper)
        finally:
            await keeper.close()

    return asyncio.run(put())


def depths(app: Umbel) -> list[Depth]:
    """Every queue that exists or is declared, counted, by name."""

    async def survey(keeper: Admin) -> list[Depth]:
        found = {depth.queue: depth for depth in await keeper.survey(None)}
        for name in app.queues_by_name:
            found.setdefault(name, Depth(name))
        return [found[name] for name in sorted(found)]

    return ask(app, survey)


def chosen(known: list[str], only: list[str], without: list[str]) -> list[str]:
    """The queues that ``-Q`` and ``-X`` leave over. Refuses a name that nothing has."""
    for name in (*only, *without):
        if name not in known:
            refuse(f"no queue named {name!r}; there is {', '.join(known) or 'none'}")
    return [name for name in (only or known) if name not in without]


def names(text: str | None) -> list[str]:
    """``a,b`` as a list."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]
