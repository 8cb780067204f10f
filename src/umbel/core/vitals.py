"""What a worker shows of itself, and what that means: who is busy and who is stuck. Pure; times are ages in seconds.

The rule (DELIVERY 6 of the design): a process is stuck if it shows no sign of life and runs nothing that would account
for it, or if it was stopped from outside, or if it reaches no broker although its supervisor does. One that shows no
sign of life while a task runs within its limits is merely busy. A broker that nobody reaches is no fault of a worker.
"""

from typing import Literal

import msgspec

from umbel.core.delivery import ConsumerId

State = Literal["starting", "idle", "running", "busy", "stopping", "cut off", "stuck", "alive", "lost"]
"""``busy``: what it runs lets nothing else run. ``cut off``: the broker is not reached. ``alive``, ``lost``: all that
a broker knows of a process elsewhere, whose lease or lock holds, or does not.
"""

LATE = 5.0
"""Seconds beyond its hard limit after which a task that still runs shows that nobody ends it."""


class Doing(msgspec.Struct):
    """A task that runs. A limit of None is none."""

    task: str
    id: str
    seconds: float
    soft: float | None = None
    hard: float | None = None


class ProcessVitals(msgspec.Struct):
    """One process. ``beat``: age of the last sign of its I/O thread; ``reached``: of its last successful claim or wait.

    None is what nobody here can know. ``held``: messages that it has claimed; ``unstarted``: those that wait in it.
    """

    id: ConsumerId
    name: str | None = None
    pid: int | None = None
    state: State = "starting"
    why: str = ""
    beat: float | None = None
    reached: float | None = None
    running: list[Doing] | None = None
    unstarted: int | None = None
    held: int | None = None


class WorkerVitals(msgspec.Struct):
    """One worker. ``id`` and ``reached`` are its supervisor's: its id in the broker, and when it last reached it. Solo
    has none: ``id`` is that of its caretaker.

    ``here``: it told this itself, on this machine; of others None is what is not known.
    """

    node: str
    here: bool = True
    id: ConsumerId | None = None
    pid: int | None = None
    pool: str | None = None
    slots: int | None = None
    queues: list[str] = []
    uptime: float | None = None
    stopping: bool = False
    reached: float | None = None
    processes: list[ProcessVitals] = []


class Signs(msgspec.Struct):
    """What a process shows that its state follows from. ``halted``: it was stopped by a signal.

    ``awake``: for how long its I/O thread has run without a gap, so that it could have reached the broker.
    """

    ready: bool
    stopping: bool
    halted: bool
    beat: float
    awake: float
    reached: float | None
    running: list[Doing]


def has_stalled(silent: float, patience: float, *, runs: bool, halted: bool) -> bool:
    """Whether nothing accounts for a silence of so many seconds."""
    return silent > patience and (halted or not runs)


def state_of(signs: Signs, *, lease: float, clocked: bool, supervisor_reached: float | None) -> tuple[State, str]:
    """The state, and why it is so where that is no matter of course.

    ``lease`` in seconds; ``clocked``: also a busy process has to renew its lease; ``supervisor_reached``: when the
    supervisor last reached the broker, None where there is no supervisor.
    """
    if not signs.ready:
        return "starting", ""
    if has_stalled(signs.beat, lease / 2, runs=bool(signs.running), halted=signs.halted):
        how = "is stopped by a signal" if signs.halted else "runs nothing"
        return "stuck", f"no sign of life for {signs.beat:.0f} s, and it {how}"
    for doing in signs.running:
        if doing.hard and doing.seconds > doing.hard + LATE:
            return "stuck", f"{doing.task}[{doing.id}] runs {doing.seconds:.0f} s with a hard limit of {doing.hard:g} s"
    if signs.stopping:
        return "stopping", ""
    if signs.beat > lease / 2:
        return "busy", f"what it runs has let nothing else run for {signs.beat:.0f} s"
    needs_it = signs.awake > lease and (clocked or not signs.running)
    if needs_it and signs.reached is not None and signs.reached > lease:
        why = f"has not reached the broker for {signs.reached:.0f} s"
        if supervisor_reached is not None and supervisor_reached < lease / 2:
            return "stuck", f"{why}, and its supervisor has"
        return "cut off", why
    return ("running" if signs.running else "idle"), ""


_WORST: tuple[State, ...] = (
    "stuck", "lost", "cut off", "starting", "stopping", "busy", "running", "idle", "alive"
)  # fmt: skip


def worst(worker: WorkerVitals) -> State:
    """The state of a worker: that of the process that most deserves a look."""
    return min((process.state for process in worker.processes), key=_WORST.index, default="starting")


def verdict(worker: WorkerVitals, *, ready: bool = False) -> tuple[bool, str]:
    """Whether a worker is well, and a line that says so. With ``ready``: also whether it takes tasks now."""
    name = worker.node
    stuck = [process for process in worker.processes if process.state == "stuck"]
    if stuck:
        return False, f"{name}: {stuck[0].name} (pid {stuck[0].pid}) is stuck: {stuck[0].why}"
    counts: dict[str, int] = {}
    for process in worker.processes:
        counts[process.state] = counts.get(process.state, 0) + 1
    shown = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no process yet"
    if ready:
        for process in worker.processes:
            if process.state in ("starting", "stopping", "cut off"):
                why = f": {process.why}" if process.why else ""
                return False, f"{name} takes no tasks now: {process.name} is {process.state}{why}"
        if worker.stopping or not worker.processes:
            return False, f"{name} takes no tasks now: {'it stops' if worker.stopping else shown}"
    away = [process for process in worker.processes if process.state == "cut off"]
    note = f"; {away[0].name} {away[0].why}" if away else ""
    return True, f"{name}: {'stopping, ' if worker.stopping else ''}{shown}{note}"
