"""Failpoints: named steps of a worker at which a test strikes it. They do not exist unless the environment says so.

``UMBEL_FAILPOINTS`` names a folder. Each file in it is a token for one stroke: a process that reaches the step takes
it away, writes the fault into the ledger (``UMBEL_LEDGER``, where that is set) and is struck. ``arm`` puts one there,
at any time; nothing is armed twice by one token, however many processes reach the step.

The application under test calls ``install(app)`` where it is made. Without the variable that does nothing; with it,
the steps are wrapped from outside, so that the code under test has no branch for it. Adapters need do nothing for it.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Sequence
from functools import wraps
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

from umbel.app.application import Umbel
from umbel.broker.base import Admin, Consumer
from umbel.core.delivery import Ack, Adopted, Bury, ConsumerId, Park, Settled, Settlement, Turn, Want
from umbel.core.joining import Part
from umbel.runtime.unpatched import allocate_lock
from umbel.testing.ledger import LEDGER, Ledger
from umbel.testing.processes import descendants
from umbel.testing.wrapping import wrap_parts
from umbel.worker.bodies import Bodies
from umbel.worker.intake import Intake
from umbel.worker.joining import Joiner
from umbel.worker.lane import Lane
from umbel.worker.runner import Runner

T = TypeVar("T")
FOLDER = "UMBEL_FAILPOINTS"
Stroke = Literal["kill", "stop"]
POINTS = MappingProxyType(
    {
        "claimed": "messages are claimed, and nobody has looked at them",
        "parsed": "they are sorted: into the hand, parked, or back",
        "started": "the board shows the task, and its code has not begun",
        "finished": "the outcome is decided, and not handed over to be settled",
        "settle-sent": "the settlement has left, and is not answered",
        "settle-answered": "the broker has settled, and the process has not heard it yet",
        "parked": "a message is in the delayed set",
        "promoted": "a message that waited for its time is claimed",
        "buried": "a message is a dead letter",
        "rescued": "claims of a dead process are taken over, and not settled",
        "member-decided": "a chord's member has ended, and its part is not sent",
        "member-settled": "its part is recorded, and others are awaited",
        "join-complete": "the last part is recorded, and the body is not built",
        "body-built": "the body is built, and not published",
    }
)
"""Every step, and what is true when it is reached."""

_number = count()


def arm(folder: Path, point: str, stroke: Stroke = "kill", *, skip: int = 0, slots: int = 1) -> Path:
    """Have one process struck at this step, where it comes by for the ``skip + 1``-th time; return the token.

    ``slots`` is how many tasks run in such a process, for the ledger. Raises ``ValueError``.
    """
    if point not in POINTS:
        raise ValueError(f"there is no failpoint {point!r}; there is {', '.join(POINTS)}")
    folder.mkdir(exist_ok=True)
    token = folder / f"{point}.{stroke}.{skip}.{slots}.{os.getpid()}-{next(_number)}"
    token.touch()
    return token


def install(app: Umbel) -> None:
    """Wrap the steps of the workers of this application. Once, where it is made; nothing without the variable."""
    folder = os.environ.get(FOLDER)
    if folder:
        _Failpoints(Path(folder), os.environ.get(LEDGER)).wrap(app)


class _Failpoints:
    """The steps of one interpreter."""

    def __init__(self, folder: Path, ledger: str | None) -> None:
        self._folder = folder
        self._ledger = Ledger(Path(ledger)) if ledger else None
        self._reached: Counter[str] = Counter()
        self._gate = allocate_lock()

    def reach(self, point: str) -> None:
        """A step is reached. Does not return where a token says so."""
        self._reached[point] += 1
        for token in os.listdir(self._folder):  # noqa: PTH208  the quickest look
            name, stroke, skip, slots, _ = token.split(".")
            if name == point and self._reached[point] > int(skip):
                with self._gate:  # or another thread ends the process before this stroke is written down
                    if self._take(token):
                        self._strike(point, stroke, slots)

    def _take(self, token: str) -> bool:
        try:
            (self._folder / token).unlink()
        except FileNotFoundError:
            return False  # another process was quicker
        return True

    def _strike(self, point: str, stroke: str, slots: str) -> None:
        if self._ledger is not None:
            facts = {"rescuers": 1} if point == "rescued" else {"dies": 1} if stroke == "kill" else {}
            pids = ",".join(map(str, (os.getpid(), *descendants(os.getpid()))))
            self._ledger.note("fault", f"failpoint-{point}", pids=pids, slots=slots, stroke=stroke, **facts)
        os.kill(os.getpid(), signal.SIGKILL if stroke == "kill" else signal.SIGSTOP)

    # Wrapping ---------------------------------------------------------------------------------------------------------

    def wrap(self, app: Umbel) -> None:
        """All of it."""
        wrap_parts(app.broker, self._wrap_consumer, self._wrap_keeper)
        _after(Intake, "sort", self._parsed)
        _after(Runner, "start", lambda runner, began, *_: self._if(began, "started"))
        _after(Lane, "settlement", lambda lane, finished, *_: self.reach("finished"))
        _before(Joiner, "share", self._member_decided)
        _after(Bodies, "see_to", lambda bodies, kept, *_: self._if(not kept, "member-settled"))
        _before(Bodies, "_build", lambda *_: self.reach("join-complete"))
        _after(Joiner, "body", lambda *_: self.reach("body-built"))

    def _if(self, fact: object, point: str) -> None:
        if fact:
            self.reach(point)

    async def _parsed(self, *_: object) -> None:
        self.reach("parsed")

    def _member_decided(self, joiner: Joiner, decision: Any, *_: object) -> None:
        if any(isinstance(step, Part) for step in decision.steps):
            self.reach("member-decided")

    def _wrap_consumer(self, consumer: Consumer, queues: Sequence[str]) -> None:
        if not queues:
            return  # a supervisor's, which only rescues
        exchange = consumer.exchange
        inside = _inside_its_transaction(consumer, self.reach)

        async def exchanged(settlements: Sequence[Settlement], want: Want) -> Turn:
            asked = exchange(settlements, want)
            if settlements and not inside:
                turn = await _Sent(asked, lambda: self.reach("settle-sent"))
            else:
                turn = await asked
            self._answered(settlements, turn)
            return turn

        consumer.exchange = exchanged  # type: ignore[method-assign]

    def _answered(self, settlements: Sequence[Settlement], turn: Turn) -> None:
        done = {
            type(one.disposition)
            for one, verdict in zip(settlements, turn.verdicts, strict=True)
            if isinstance(verdict, Settled)
        }
        for kind, point in ((Park, "parked"), (Bury, "buried"), (Ack, "settle-answered")):
            self._if(kind in done, point)
        messages = [one.message for one in turn.deliveries if one.message is not None]
        self._if(messages, "claimed")
        self._if([one for one in messages if one.headers.eta is not None], "promoted")

    def _wrap_keeper(self, keeper: Admin) -> None:
        adopt = keeper.adopt

        async def adopted(dead: ConsumerId | None, limit: int) -> list[Adopted]:
            found = await adopt(dead, limit)
            self._if(found, "rescued")
            return found

        keeper.adopt = adopted  # type: ignore[method-assign]


def _inside_its_transaction(consumer: Any, reach: Callable[[str], None]) -> bool:
    """An exchange that is one transaction of a file never waits for an answer: "sent" is then before its commit."""
    turn = getattr(consumer, "_turn", None)
    if turn is None:
        return False

    def turned(link: Any, batch: Any, *rest: Any) -> Any:
        answer = turn(link, batch, *rest)
        if batch:
            reach("settle-sent")
        return answer

    consumer._turn = turned  # noqa: SLF001
    return True


class _Sent(Generic[T]):
    """Awaits a coroutine, and calls back when it waits for the first time: then what it sends has left."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], sent: Callable[[], None]) -> None:
        self._coroutine = coroutine
        self._sent = sent

    def __await__(self) -> Generator[Any, Any, T]:
        inner = self._coroutine.__await__()
        called = False
        try:
            waited = next(inner)
            while True:
                if not called:
                    called = True
                    self._sent()
                try:
                    answer = yield waited
                except BaseException as error:  # noqa: BLE001  it is the coroutine's
                    waited = inner.throw(error)
                else:
                    waited = inner.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value


def _before(owner: type, name: str, told: Callable[..., None]) -> None:
    function = getattr(owner, name)

    @wraps(function)
    def wrapped(*args: Any, **named: Any) -> Any:
        told(*args)
        return function(*args, **named)

    setattr(owner, name, wrapped)


def _after(owner: type, name: str, told: Callable[..., Any]) -> None:
    """``told`` gets the object, what the method returned, and its arguments. It is a coroutine where the method is."""
    function = getattr(owner, name)

    @wraps(function)
    def wrapped(self: Any, *args: Any, **named: Any) -> Any:
        value = function(self, *args, **named)
        if isinstance(value, Coroutine):
            return _then(value, told, self)
        told(self, value, *args)
        return value

    setattr(owner, name, wrapped)


async def _then(value: Coroutine[Any, Any, T], told: Callable[..., Any], owner: object) -> T:
    answer = await value
    await told(owner, answer)
    return answer
