"""A seat: the place of one process in a worker. It stays when processes come and go. Holds facts; decides nothing."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from umbel.core.delivery import ConsumerId, Ticket
from umbel.worker.board import Board, Slot
from umbel.worker.plan import Plan
from umbel.worker.process import Birth
from umbel.worker.starter import Child


class Killing(msgspec.Struct, frozen=True):
    """Why the supervisor kills a process, and for ``hard`` and ``revoked`` the slot that it is about."""

    why: Literal["hard", "stuck", "shutdown", "revoked"]
    slot: Slot | None = None


class Seat:
    """One process at a time, each under a consumer id and with a board of its own."""

    def __init__(self, index: int, folder: Path, plan: Plan) -> None:
        self.index = index
        self.name = f"Process-{index + 1}"
        self.consumer: ConsumerId
        self.board: Board
        self.child: Child | None = None
        self.killing: Killing | None = None
        self.ready = False
        self.recalling = False
        self.asked: dict[tuple[int, int], float] = {}
        """Tasks that the process was asked to end: generation and serial, and when."""
        self._folder = folder
        self._plan = plan

    def prepare(self) -> Birth:
        """A new incarnation: nothing of the last one is used again."""
        self.consumer = ConsumerId(secrets.token_hex(16))
        self.board = Board(self._folder / f"{self.consumer}.board", create_width=self._plan.width)
        self.killing, self.ready, self.recalling, self.asked = None, False, False, {}
        return Birth(self.consumer, str(self.board.path), self.name, self.index + 1, self._plan)

    def leave(self) -> None:
        """The incarnation is over. One that could not be made is none."""
        if self.child is not None:
            self.child.close()
            self.child = None
        self.board.close()
        self.board.path.unlink(missing_ok=True)

    def is_alive(self) -> bool:
        """Whether a process sits here that has not ended."""
        return self.child is not None and not self.child.ended.is_set()

    def why_dead(self) -> Killing | None:
        """Why its process was ended: also one that ended by the signal that it was told to end its only task by."""
        if self.killing is None and not self._plan.is_wide:
            for slot in self.running():
                if (slot.generation, slot.serial) in self.asked:
                    return Killing("revoked", slot)
        return self.killing

    def running(self) -> Iterator[Slot]:
        """The slots that run something now."""
        return (slot for slot in self.board.slots() if slot.running)

    def running_tickets(self) -> list[Ticket]:
        """The tickets that run now."""
        return [Ticket(self.consumer, slot.generation, slot.serial) for slot in self.running()]
