"""From due ticks to recorded ones: builds the calls, and publishes what has gathered in one step. Plans nothing."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from umbel.app import signals
from umbel.app.application import Umbel
from umbel.app.schedules import call_of
from umbel.broker.base import Timetable
from umbel.core.delivery import Accepted, Outgoing
from umbel.core.errors import OperationalError
from umbel.core.schedule.catchup import DueTick
from umbel.core.schedule.entry import Entry, LazyArgument
from umbel.core.timetable import Tick, TickReceipt
from umbel.runtime.aside import on_thread

logger = logging.getLogger("umbel.beat")

DEADLINE = 5.0
"""Seconds that one step of publishing may take."""
MOST_THREADS = 64


class _Parcel(NamedTuple):
    ticks: Sequence[Tick]
    receipts: "asyncio.Future[list[TickReceipt]]"


class Publisher:
    """Publishes for one leader, under its epoch. What arrives while a step is under way goes out in the next one."""

    def __init__(self, app: Umbel, book: str, beat: str, epoch: int, timetable: Timetable) -> None:
        self._app = app
        self._book = book
        self._beat = beat
        self._epoch = epoch
        self._timetable = timetable
        self._waiting: list[_Parcel] = []
        self._news = asyncio.Event()
        self._threads = asyncio.Semaphore(MOST_THREADS)

    # Building ---------------------------------------------------------------------------------------------------------

    async def build(self, entry: Entry, due: DueTick) -> Tick:
        """The tick with its messages. User code runs on a thread of its own, so that it delays no other entry."""
        if self._runs_user_code(entry):
            async with self._threads:
                messages = await on_thread(lambda: self._messages(entry, due.due))
        else:
            messages = self._messages(entry, due.due)
        return Tick(entry.name, due.due, due.mark, tuple(messages))

    def _messages(self, entry: Entry, due: float) -> list[Outgoing]:
        args, kwargs, options = call_of(entry, due)
        task: Any = self._app.tasks.get(entry.task, entry.task)
        options = {"task_id": entry.tick_id(self._book, due), **options}
        return self._app.client.prepare(task, args, kwargs, options)

    def _runs_user_code(self, entry: Entry) -> bool:
        return (
            bool(signals.before_task_publish.receivers)
            or not self._app.routing()[1]
            or any(isinstance(value, LazyArgument) for value in (*entry.args, *entry.kwargs.values()))
        )

    # Publishing -------------------------------------------------------------------------------------------------------

    async def send(self, ticks: Sequence[Tick]) -> list[TickReceipt]:
        """Publish and record, with one receipt each. Raises ``OperationalError``."""
        parcel = _Parcel(ticks, asyncio.get_running_loop().create_future())
        self._waiting.append(parcel)
        self._news.set()
        return await parcel.receipts

    async def run(self) -> None:
        """Send what gathers, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            parcels, self._waiting = self._waiting, []
            await self._step(parcels)

    async def _step(self, parcels: Sequence[_Parcel]) -> None:
        ticks = [tick for parcel in parcels for tick in parcel.ticks]
        try:
            receipts = await self._timetable.tick(self._book, self._beat, self._epoch, ticks, deadline=DEADLINE)
        except OperationalError as error:
            for parcel in parcels:
                if not parcel.receipts.done():
                    parcel.receipts.set_exception(error)
            return
        rest = iter(receipts)
        for parcel in parcels:
            mine = [next(rest) for _ in parcel.ticks]
            if not parcel.receipts.done():
                parcel.receipts.set_result(mine)
        await self._announce(ticks, receipts)

    async def _announce(self, ticks: Sequence[Tick], receipts: Sequence[TickReceipt]) -> None:
        if not (signals.after_task_publish.receivers or signals.task_sent.receivers):
            return
        for tick, receipt in zip(ticks, receipts, strict=True):
            if isinstance(receipt, Accepted):
                for outgoing in tick.messages:
                    await on_thread(lambda sent=outgoing: self._app.client.announce(sent))  # type: ignore[misc]
