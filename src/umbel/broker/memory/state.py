"""The queues of one process, as plain data and the moves on it. No lock, no clock, no waiting here."""

import heapq
from collections.abc import Iterable, Sequence
from itertools import count

import msgspec

from umbel.core.delivery import ConsumerId, Loss, Outgoing
from umbel.wire import envelope

MOST_MESSAGES = 256
MOST_BYTES = 1 << 20
"""What one claim takes at most; a single message may be larger."""

Key = tuple[int, int]
"""A ticket's generation and serial."""


class Entry(msgspec.Struct, eq=False):
    """One message, as bytes, and what happened to it. ``seq`` is its place in the queue."""

    queue: str
    priority: int
    seq: int
    head: bytes
    body: bytes
    due: float | None = None
    begun: bool = False
    redelivered: bool = False
    losses: int = 0
    history: tuple[Loss, ...] = ()
    unknown_since: float | None = None
    granted: float | None = None


class Member(msgspec.Struct):
    """A consumer on the register. ``adopted`` counts what others took over: from the first on it is fenced."""

    id: ConsumerId
    node: str
    pid: int | None
    width: int
    queues: tuple[str, ...]
    ends: float
    claims: dict[Key, Entry] = {}
    adopted: int = 0

    def live(self, at: float) -> bool:
        """Whether its lease holds at this monotonic time, and nobody took over from it."""
        return at < self.ends and not self.adopted


class Letter(msgspec.Struct):
    """A dead letter."""

    number: int
    task_id: str | None
    reason: str
    detail: str
    at: float
    traceback: str | None
    entry: Entry


class Queue:
    """What waits: by priority and place, or for its time."""

    def __init__(self) -> None:
        self._ready: list[tuple[int, int, Entry]] = []
        self._delayed: list[tuple[float, int, Entry]] = []

    def put(self, entry: Entry) -> None:
        """Add an entry to where its ``due`` says."""
        if entry.due is None:
            heapq.heappush(self._ready, (-entry.priority, entry.seq, entry))
        else:
            heapq.heappush(self._delayed, (entry.due, entry.seq, entry))

    def promote(self, now: float) -> None:
        """Make ready what is due."""
        while self._delayed and self._delayed[0][0] <= now:
            self.hasten(1)

    def hasten(self, limit: int) -> int:
        """Make ready the first ``limit`` that are delayed, due or not."""
        count = min(limit, len(self._delayed))
        for _ in range(count):
            entry = heapq.heappop(self._delayed)[2]
            entry.due = None
            self.put(entry)
        return count

    def take(self, limit: int, room: int, *, anyway: bool) -> list[Entry]:
        """The next entries, at most ``limit`` and ``room`` bytes; ``anyway`` takes the first however large it is."""
        taken: list[Entry] = []
        while self._ready and len(taken) < limit:
            entry = self._ready[0][2]
            room -= len(entry.head) + len(entry.body)
            if room < 0 and not (anyway and not taken):
                break
            taken.append(heapq.heappop(self._ready)[2])
        return taken

    def next_due(self) -> float | None:
        """When the next delayed entry is due."""
        return self._delayed[0][0] if self._delayed else None

    @property
    def ready(self) -> int:
        """How many may be claimed."""
        return len(self._ready)

    @property
    def delayed(self) -> int:
        """How many wait for their time."""
        return len(self._delayed)


class State:
    """Everything a memory broker keeps."""

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}
        self.members: dict[ConsumerId, Member] = {}
        self.dead: dict[int, Letter] = {}
        self.revoked: dict[str, tuple[str | None, float]] = {}
        self.revocations = 0
        self.rates: dict[str, float] = {}
        self._seqs = count(1)
        self._letters = count(1)

    def queue(self, name: str) -> Queue:
        """A queue, made when first named."""
        return self.queues.setdefault(name, Queue())

    def publish(self, entries: Iterable[Entry]) -> None:
        """Put new messages into their queues."""
        for entry in entries:
            entry.seq = next(self._seqs)
            self.queue(entry.queue).put(entry)

    def claim(self, member: Member, queues: Sequence[str], limit: int, keys: Iterable[Key]) -> list[tuple[Key, Entry]]:
        """Move ready messages into the claims of ``member``, the queues in their order."""
        left, room = min(limit, MOST_MESSAGES), MOST_BYTES
        claimed: list[tuple[Key, Entry]] = []
        names = iter(keys)
        for name in queues:
            for entry in self.queue(name).take(left, room, anyway=not claimed):
                key = next(names)
                member.claims[key] = entry
                claimed.append((key, entry))
                left, room = left - 1, room - len(entry.head) - len(entry.body)
        return claimed

    def release(self, entry: Entry, *, front: bool = True) -> None:
        """Put a claimed message back into its queue."""
        entry.begun, entry.redelivered = False, True
        if not front:
            entry.seq = next(self._seqs)
        self.queue(entry.queue).put(entry)

    def bury(self, entry: Entry, reason: str, detail: str, traceback: str | None, at: float) -> None:
        """Put a claimed message among the dead letters."""
        number = next(self._letters)
        self.dead[number] = Letter(number, _task_id(entry), reason, detail, at, traceback, entry)

    def revive(self, letter: Letter) -> None:
        """Send a dead letter again, as if it were new."""
        entry = letter.entry
        self.publish([Entry(entry.queue, entry.priority, 0, entry.head, entry.body)])


def entry_of(outgoing: Outgoing) -> Entry:
    """The entry of a message, without a place yet. Raises what encoding raises."""
    head, body = envelope.encode(outgoing.message)
    priority = min(max(outgoing.message.properties.priority or 0, 0), 9)
    return Entry(outgoing.queue, priority, 0, head, body, outgoing.due)


class _Headers(msgspec.Struct):
    id: str | None = None


class _Head(msgspec.Struct):
    headers: _Headers


def _task_id(entry: Entry) -> str | None:
    try:
        return msgspec.json.decode(entry.head, type=_Head).headers.id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
