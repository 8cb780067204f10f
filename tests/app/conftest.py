"""An app whose messages are caught before they reach a broker, and a clock that tests turn."""

from collections.abc import Iterator, Sequence

import pytest

from umbel import Umbel
from umbel.app import ambient
from umbel.core.delivery import ACCEPTED, Outgoing, Receipt
from umbel.core.message import Embed, Message
from umbel.core.record import Record
from umbel.wire import body


class Outbox:
    """An outlet that keeps what is sent. ``receipts`` or ``error``, once set, answer the next publish."""

    def __init__(self) -> None:
        self.messages: list[Outgoing] = []
        self.batches: list[int] = []
        self.records: list[Record] = []
        self.deadlines: list[float] = []
        self.receipts: list[Receipt] | None = None
        self.errors: list[Exception] = []
        self.stopping = False

    def publish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        self.deadlines.append(deadline)
        if self.errors:
            raise self.errors.pop(0)
        self.messages.extend(messages)
        self.batches.append(len(messages))
        receipts, self.receipts = self.receipts, None
        return receipts or [ACCEPTED] * len(messages)

    async def apublish(self, messages: Sequence[Outgoing], *, deadline: float) -> list[Receipt]:
        return self.publish(messages, deadline=deadline)

    def keep(self, message: Message, record: Record) -> None:
        self.records.append(record)

    async def akeep(self, message: Message, record: Record) -> None:
        self.keep(message, record)

    def write(self, records: Sequence[Record]) -> None:
        self.records.extend(records)

    async def awrite(self, records: Sequence[Record]) -> None:
        self.write(records)

    @property
    def last(self) -> Outgoing:
        return self.messages[-1]

    def arguments(self, place: int = -1) -> tuple[list[object], dict[str, object]]:
        args, kwargs, embed = body.decode(self.messages[place].message, frozenset({"application/json"}))
        assert embed == Embed()
        return args, kwargs


class TurnedClock:
    """Stands still until it is paused on; remembers the pauses."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.time = now
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds

    async def sleep(self, seconds: float) -> None:
        self.pause(seconds)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting comes from outside, no app or shared task of a test survives it."""
    for name in ("BROKER_URL", "RESULT_BACKEND"):
        monkeypatch.delenv(f"UMBEL_{name}", raising=False)
        monkeypatch.delenv(f"CELERY_{name}", raising=False)
    shared, current = list(ambient._shared), list(ambient._current)
    yield
    ambient._shared[:] = shared
    ambient._current[:] = current


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def app(db_url: str, clock: TurnedClock) -> Iterator[Umbel]:
    """An app on a database of its own whose calls end in ``outbox``."""
    with Umbel("proj", broker=db_url, clock=clock) as app:
        app.outlet = Outbox()
        yield app


@pytest.fixture
def outbox(app: Umbel) -> Outbox:
    assert isinstance(app.outlet, Outbox)
    return app.outlet
