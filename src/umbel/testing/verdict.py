"""The checker: reads a ledger and says what it proves about the guarantees. Pure; touches no queue and no file.

What lines it knows, beside the facts that any line may have (``umbel.testing.ledger``):

- ``call KEY``: somebody is about to call this (again). ``expect=STATE`` if it shall not end in SUCCESS (``dead``: as a
  dead letter), ``id=ID`` if its result must be seen; ``body=1`` for the body of a chord. ``called KEY``: the broker has
  accepted it. ``raised KEY seconds=S``: the call raised. A process calls the next only when it was answered.
- ``start KEY id=ID``, and ``end KEY`` or, if it did not succeed, ``left KEY``: by the task itself.
- ``seen KEY STATE``: somebody read this final state of it, or found it among the dead letters (``dead``).
- ``fault KIND pids=P,P slots=N``, before it is done: which processes it reaches, and how many tasks they may run at
  once (0: it may cost no duplicate). ``rescuers=1`` if those who rescue are among them; ``over=P,P``: the processes of
  a supervisor that is struck without them. ``dies=1`` if a process ends by it at once, and its supervisor does not.
  ``outage=1`` if it lasts until ``mended KIND``. ``fails=1`` if what runs beside may fail for it, as at the end of all
  memory.
- ``rescue ID pid=P``, ``back ID``, ``acked ID stored=yes|no``, by ``umbel.testing.witness``.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from umbel.testing.ledger import Entry

MOMENT = 1.0
"""Seconds that may lie between the line of a fault and the blow, on a full machine: what starts meanwhile is struck."""


class Problem(NamedTuple):
    """A guarantee that does not hold, and the lines that prove it."""

    what: str
    proof: tuple[Entry, ...]

    def __str__(self) -> str:
        return "\n    ".join((self.what, *map(str, self.proof)))


class Recovery(NamedTuple):
    """From a fault until a task that it had interrupted was back in its queue, or ran on."""

    seconds: float
    fault: Entry
    back: Entry
    orphaned: bool
    """Whether nobody was there who saw the process end: the fault struck its supervisor, or one had before."""


class Verdict(NamedTuple):
    """What one ledger comes to. ``faults`` counts what reached a process that ran something, or a server under load."""

    tasks: int
    faults: Counter[str]
    idle: int
    lost: tuple[Problem, ...]
    duplicates: int
    bound: int
    broken: tuple[Problem, ...]
    recoveries: tuple[Recovery, ...]
    slowest_raise: float
    witnessed: int
    """Acknowledgements that the witness saw: without any, nothing is proven about them."""

    def __str__(self) -> str:
        doubled = f"{self.duplicates} duplicates of {self.bound} excused"
        return (
            f"{self.tasks} tasks, {self.faults.total()} faults, {len(self.lost)} lost, {doubled}, "
            f"slowest recovery {self.slowest:.2f} s"
        )

    @property
    def slowest(self) -> float:
        """Seconds of the slowest recovery."""
        return max((one.seconds for one in self.recoveries), default=0.0)

    def problems(self, *, recovery: float | None = None, seen: float | None = None) -> list[str]:
        """What breaks a guarantee, each with its lines. ``recovery`` bounds every recovery, in seconds; ``seen`` those
        from a death that a supervisor saw.
        """
        found = [*self.lost, *self.broken]
        if self.duplicates > self.bound:
            found.append(Problem(f"{self.duplicates} duplicates where the faults excuse {self.bound}", ()))
        for one in self.recoveries:
            bound = recovery if one.orphaned or seen is None else seen
            if bound is not None and one.seconds > bound:
                what = f"back after {one.seconds:.2f} s, allowed are {bound:.2f}"
                found.append(Problem(what, (one.fault, one.back)))
        return [str(problem) for problem in found]


def judge(entries: Iterable[Entry]) -> Verdict:
    """The verdict on a whole ledger, in any order of its lines."""
    return _Case(sorted(entries, key=lambda entry: entry.at)).verdict()


class _Case:
    """The entries, sorted into what belongs together."""

    def __init__(self, entries: list[Entry]) -> None:
        self.by_verb: dict[str, list[Entry]] = defaultdict(list)
        self.by_key: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        for entry in entries:
            self.by_verb[entry.verb].append(entry)
            self.by_key[entry.verb, entry.key].append(entry)
        self.faults = self.by_verb["fault"]
        self._of_pid: dict[int, list[Entry]] = defaultdict(list)
        self._starts_of: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            if entry.verb in ("start", "end", "left"):
                self._of_pid[entry.pid].append(entry)
            if entry.verb == "start" and "id" in entry.facts:
                self._starts_of[entry.facts["id"]].append(entry)
        self.keys = list(dict.fromkeys(entry.key for entry in self.by_verb["call"]))

    def verdict(self) -> Verdict:
        reached = [fault for fault in self.faults if self._reached(fault)]
        duplicates = sum(len(extra) for extra in self._extra().values())
        bound = sum(
            int(fault.facts.get("slots", 0)) + 1 for fault in self.faults if fault.facts.get("slots", "0") != "0"
        )
        broken = (
            *self._unanswered(),
            *self._unexplained(),
            *self._rescues(),
            *self._early_acks(),
            *self._settled_again(),
        )
        raised = [float(entry.facts["seconds"]) for entry in self.by_verb["raised"]]
        return Verdict(
            len(self.keys),
            Counter(fault.key for fault in reached),
            len(self.faults) - len(reached),
            tuple(self._lost()),
            duplicates,
            bound,
            broken,
            tuple(self._recoveries()),
            max(raised, default=0.0),
            len(self.by_verb["acked"]),
        )

    def story(self, key: str) -> tuple[Entry, ...]:
        """All that is written about a task."""
        verbs = ("call", "called", "raised", "start", "end", "left", "seen")
        lines = [entry for verb in verbs for entry in self.by_key[verb, key]]
        return tuple(sorted(lines, key=lambda entry: entry.at))

    # Lost -------------------------------------------------------------------------------------------------------------

    def _lost(self) -> Iterator[Problem]:
        starving = sum(int(fault.facts.get("slots", 0)) for fault in self.faults if fault.facts.get("fails"))
        for key in self.keys:
            if not self.by_key["called", key]:
                continue  # nobody was told that it is out
            wanted = self.by_key["call", key][0].facts.get("expect", "SUCCESS")
            seen = {word for entry in self.by_key["seen", key] for word in entry.words}
            if starving and wanted != "FAILURE" and "FAILURE" in seen:
                starving -= 1
                continue  # it failed, and said why, for want of what the fault took away
            if wanted == "SUCCESS" and not self.by_key["end", key]:
                yield Problem(f"{key} is lost: it was called and never ended", self.story(key))
            elif wanted not in seen and (wanted != "SUCCESS" or self.by_key["call", key][0].facts.get("id")):
                yield Problem(f"{key} is lost: nobody saw it {wanted}", self.story(key))

    def _unanswered(self) -> Iterator[Problem]:
        """Every call returns or raises, unless its caller was struck."""
        last = {call.pid: call for call in self.by_verb["call"]}
        answers = sorted((*self.by_verb["called"], *self.by_verb["raised"]), key=lambda entry: entry.at)
        answered = {answer.pid: answer.at for answer in answers}
        struck = {pid for fault in self.faults for pid in fault.pids}
        for pid, call in last.items():
            if answered.get(pid, 0.0) < call.at and pid not in struck:
                yield Problem(f"the call of {call.key} neither returned nor raised", (call,))

    # Duplicates -------------------------------------------------------------------------------------------------------

    def _extra(self) -> dict[str, list[Entry]]:
        """Starts beyond the calls."""
        found = {}
        for (verb, key), starts in self.by_key.items():
            calls = max(1, len(self.by_key.get(("call", key), ())))
            if verb == "start" and len(starts) > calls:
                found[key] = starts[calls:]
        return found

    def _unexplained(self) -> Iterator[Problem]:
        """Every further start follows a fault that struck the process of an earlier one, after that one's start."""
        for key, extra in self._extra().items():
            starts = self.by_key["start", key]
            struck = [start for start in starts if self._strikes(start, extra[-1].at)]
            if len(struck) < len(extra):
                what = "the body of a chord" if any(e.facts.get("body") for e in self.by_key["call", key]) else "a task"
                yield Problem(f"{key}, {what}, ran again without a fault that struck it", self.story(key))

    def _strikes(self, start: Entry, until: float) -> bool:
        return any(
            start.at - MOMENT <= fault.at <= until and start.pid in fault.pids and fault.facts.get("slots", "0") != "0"
            for fault in self.faults
        )

    # Rescues and acknowledgements -------------------------------------------------------------------------------------

    def _rescues(self) -> Iterator[Problem]:
        """Nobody is rescued whom no fault has reached."""
        for rescue in self.by_verb["rescue"]:
            pid = int(rescue.facts.get("pid") or 0)
            before = [fault for fault in self.faults if fault.at <= rescue.at]
            if not any(pid in fault.pids or (not pid and fault.pids) for fault in before):
                yield Problem(f"rescued without a fault: what process {pid} held", (rescue,))

    def _early_acks(self) -> Iterator[Problem]:
        for ack in self.by_verb["acked"]:
            if ack.facts.get("stored") == "no" and not self._away(ack.at):
                yield Problem("acknowledged before its result was stored", (*self._starts_of[ack.key], ack))

    def _settled_again(self) -> Iterator[Problem]:
        """What has ended and was acknowledged is gone: it neither starts again nor is acknowledged again."""
        acks: dict[str, list[Entry]] = defaultdict(list)
        for ack in self.by_verb["acked"]:
            acks[ack.key].append(ack)
        for id, (first, *more) in acks.items():
            keys = {start.key for start in self._starts_of.get(id, ())}
            key = keys.pop() if len(keys) == 1 else ""  # one that sends itself again has several
            if len(self.by_key["call", key]) != 1 or self.by_key["left", key]:
                continue
            again = [start for start in self._starts_of[id] if start.at > first.at and not self._has_slept(start)]
            if more or again:
                what = "was acknowledged again" if more else "ran again after it was acknowledged"
                lines = sorted((*self.story(key), first, *more), key=lambda entry: entry.at)
                yield Problem(f"{key} {what}", tuple(lines))

    def _has_slept(self, start: Entry) -> bool:
        """Whether its process may have been stopped just before: it is fenced, but cannot know it yet."""
        return any(start.pid in fault.pids and fault.at <= start.at for fault in self.faults)

    def _away(self, at: float) -> bool:
        """Whether a server was away just then: what somebody reads there says little."""
        for fault in self.faults:
            if fault.facts.get("outage") and fault.at <= at:
                mended = [entry.at for entry in self.by_key["mended", fault.key] if entry.at > fault.at]
                if at <= min(mended, default=at) + MOMENT:
                    return True
        return False

    # Faults and recoveries --------------------------------------------------------------------------------------------

    def _reached(self, fault: Entry) -> bool:
        """Whether it met anything: a kill of an idle process is none."""
        return not fault.pids or "stroke" in fault.facts or bool(self._interrupted(fault))

    def _interrupted(self, fault: Entry) -> list[Entry]:
        """Starts of tasks that ran in its processes when it struck."""
        return [start for pid in fault.pids for start in self._open(pid, fault.at)]

    def _open(self, pid: int, at: float) -> list[Entry]:
        running: dict[str, Entry] = {}
        for entry in self._of_pid[pid]:
            if entry.at > at:
                break
            if entry.verb == "start":
                running[entry.key] = entry
            else:
                running.pop(entry.key, None)
        return list(running.values())

    def _recoveries(self) -> Iterator[Recovery]:
        for fault in self.faults:
            for start in self._interrupted(fault):
                back = self._back(start, fault)
                if back is not None:
                    seconds = max(0.0, back.at - self._from(fault, back))
                    yield Recovery(
                        seconds, fault, back, not fault.facts.get("dies") or self._has_no_one(start.pid, fault)
                    )

    def _has_no_one(self, pid: int, fault: Entry) -> bool:
        """Whether the supervisor of a process had been struck before, with all its processes or without them."""
        before = [other for other in self.faults if other.at < fault.at and other.facts.get("rescuers")]
        return any(pid in other.pids or str(pid) in other.facts.get("over", "").split(",") for other in before)

    def _back(self, start: Entry, fault: Entry) -> Entry | None:
        """The first sign that the task goes on."""
        signs = (("start", start.key), ("end", start.key), ("left", start.key), ("back", start.facts.get("id", "")))
        later = [entry for sign in signs for entry in self.by_key.get(sign, ()) if entry.at > fault.at]
        return min(later, key=lambda entry: entry.at, default=None)

    def _from(self, fault: Entry, back: Entry) -> float:
        """Whoever strikes the rescuers meanwhile, or the server, lets the count begin anew."""
        begin = fault.at
        for other in self.faults:
            if other.at >= back.at or (other.at < fault.at and not other.facts.get("outage")):
                continue
            if other.facts.get("outage"):
                mended = [entry.at for entry in self.by_key["mended", other.key] if entry.at > other.at]
                end = min(mended, default=back.at)
                if end > fault.at:
                    begin = max(begin, min(end, back.at))
            elif other.facts.get("rescuers"):
                begin = max(begin, other.at)
        return begin
