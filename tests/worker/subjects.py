"""Tasks that tests run in real workers. Every start and end is a line in a ledger outside the queue."""

import asyncio
import ctypes
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from contextvars import ContextVar
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from umbel import Ignore, Reject, Task, Umbel, chain, chord, group, signals
from umbel.core.errors import WorkerLostError
from umbel.testing import failpoints, witness

SETTINGS: dict[str, Any] = json.loads(os.environ.get("SUBJECT_SETTINGS", "{}"))
app = Umbel("subjects", **SETTINGS)
second = Umbel("second", set_as_current=False, **SETTINGS)
failpoints.install(app)
witness.install(app)


def note(*words: object) -> None:
    """One line of the ledger, whole, whoever else writes."""
    line = " ".join(map(str, (time.monotonic(), os.getpid(), *words))) + "\n"
    ledger = os.open(os.environ["SUBJECT_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(ledger, line.encode())
    os.close(ledger)


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def quick(key: object) -> object:
    note("start", key)
    return key


@app.task
def sleep(key: object, seconds: float) -> object:
    note("start", key)
    time.sleep(seconds)
    note("end", key)
    return key


@app.task(acks_late=False)
def sleep_early(key: object, seconds: float) -> object:
    note("start", key)
    time.sleep(seconds)
    note("end", key)
    return key


@app.task
def hold(key: object, gate: str) -> object:
    """Run until a file exists."""
    note("start", key)
    while not os.path.exists(gate):
        time.sleep(0.005)
    note("end", key)
    return key


@app.task
def compute(key: object, gate: str) -> object:
    """Keep a processor busy until the gate is there."""
    note("start", key)
    while not Path(gate).exists():
        sum(range(200_000))
    note("end", key)
    return key


@app.task
def holds_the_lock(key: object, seconds: float) -> object:
    """Sit in C and keep the interpreter's lock, as a library that computes does."""
    note("start", key)
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    note("end", key)
    return key


# Bad company ----------------------------------------------------------------------------------------------------------


@app.task
def segfaults() -> None:
    note("start", "segfaults")
    ctypes.string_at(0)


@app.task
def eats_memory() -> int:
    """More than the process may have: RLIMIT_AS, as a service manager sets it."""
    note("start", "eats_memory")
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), before[1]))
    try:
        return len(bytearray(1 << 30))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


class Unpicklable(Exception):
    def __init__(self, lock: object) -> None:
        super().__init__("it holds a lock", lock)

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle a lock")


@app.task
def raises_unpicklable() -> None:
    note("start", "raises_unpicklable")
    raise Unpicklable(threading.Lock())


@app.task(soft_time_limit=0.1)
def ignores_its_limit(key: object, gate: str) -> object:
    """Run until a file exists, whatever is raised in it."""
    note("start", key)
    while not os.path.exists(gate):
        try:
            time.sleep(0.005)
        except BaseException:
            pass
    note("end", key)
    return key


@app.task
def computes_in_c(key: object, gate: str) -> object:
    """One call into C that keeps the interpreter's lock for as long as anybody waits; nothing where the file exists."""
    note("start", key)
    if not os.path.exists(gate):
        sum(range(10**13))
    note("end", key)
    return key


@app.task
def hears_its_signal(key: object, number: int, then: str) -> object:
    """Handle a signal: leave by an exception, or take it for nothing and return."""
    heard: list[int] = []

    def hear(number: int, frame: object) -> None:
        note("heard", key, number)
        heard.append(number)
        if then == "raises":
            raise ValueError("told to end")

    before = signal.signal(number, hear)
    try:
        note("start", key)
        while not heard:
            time.sleep(0.005)
        if then == "stays":
            time.sleep(60)
        return key
    finally:
        note("end", key)
        signal.signal(number, before)


@app.task
async def hold_async(key: object, gate: str) -> object:
    note("start", key)
    while not os.path.exists(gate):
        await asyncio.sleep(0.005)
    note("end", key)
    return key


@app.task
def die(key: object = "die") -> None:
    """Take the process along, every time."""
    note("start", key)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def leave(code: int) -> None:
    note("start", "leave")
    os._exit(code)


@app.task
def fail(text: str) -> None:
    raise ValueError(text)


@app.task
def fail_exit() -> None:
    sys.exit(3)


@app.task
def returns_a_set() -> set[int]:
    return {1}


@app.task(bind=True, max_retries=2, default_retry_delay=0)
def flaky(self: Task[..., Any], key: str, times: int) -> int:
    note("start", key, self.request.retries)
    if self.request.retries < times:
        raise self.retry(exc=ValueError(key), countdown=0)
    return int(self.request.retries)


@app.task(bind=True)
def retried(self: Task[..., Any], key: str, seconds: float) -> str:
    """Run twice, by one retry; the second run has a key of its own."""
    again = self.request.retries
    note("start", f"{key}-again" if again else key)
    time.sleep(seconds)
    note("end", f"{key}-again" if again else key)
    if not again:
        raise self.retry(countdown=0)
    return key


@app.task
def ignored() -> None:
    raise Ignore


@app.task
def rejected() -> None:
    raise Reject("not for us", requeue=False)


@app.task
def calls(key: str) -> str:
    """Publish from inside a task, in both ways."""
    quick.delay(f"{key}-child")
    with app.bulk():
        for i in range(3):
            quick.delay(f"{key}-bulk-{i}")
    return key


@app.task
async def calls_async(key: str) -> str:
    await quick.adelay(f"{key}-child")
    return key


@app.task(bind=True)
def shows_state(self: Task[..., Any], gate: str) -> str:
    self.update_state(state="PROGRESS", meta={"done": 1})
    note("start", "shows_state")
    while not os.path.exists(gate):
        time.sleep(0.005)
    return "done"


# What one attempt leaves for the next ---------------------------------------------------------------------------------


@app.task(bind=True)
def counts_on(self: Task[..., Any], key: str, how: str) -> list[Any]:
    """Goes on from its checkpoint. Its first attempt ends by ``die``, ``retry``, ``stop`` when told to, or never."""
    found = self.request.checkpoint
    note("start", key, found)
    with self.once("effect") as first:
        if first:
            note("effect", key)
    if found is None:
        self.checkpoint({"done": 3})
        note("saved", key)
        if how == "die":
            os._exit(1)
        if how == "retry":
            raise self.retry(countdown=0)
        while how == "deaf" or not self.should_stop:
            time.sleep(0.01)
        note("told", key)
        raise Reject(requeue=True)
    return [found, self.request.checkpoint, self.should_stop]


@app.task(bind=True)
async def counts_on_async(self: Task[..., Any], key: str, how: str) -> list[Any]:
    """``counts_on`` as a coroutine."""
    found = self.request.checkpoint
    note("start", key, found)
    async with self.once("effect") as first:
        if first:
            note("effect", key)
    if found is None:
        await self.acheckpoint({"done": 3})
        note("saved", key)
        if how == "die":
            os._exit(1)
        if how == "retry":
            raise self.retry(countdown=0)
        while not self.should_stop:
            await asyncio.sleep(0.01)
        note("told", key)
        raise Reject(requeue=True)
    return [found, self.request.checkpoint, self.should_stop]


@app.task(bind=True)
def fails_in_once(self: Task[..., Any], key: str) -> int:
    """An effect that fails the first time is tried again."""
    with self.once("effect") as first:
        note("effect", key, first)
        if self.request.retries == 0:
            raise self.retry(countdown=0)
    return int(self.request.retries)


@app.task(bind=True)
def saves_when_let(self: Task[..., Any], key: str, gate: str) -> str:
    """Saves once the gate is there, whatever limit has passed by then."""
    note("start", key)
    while not os.path.exists(gate):
        try:
            time.sleep(0.01)
        except Exception:
            note("caught", key)
    try:
        self.checkpoint(key)
    except WorkerLostError:
        note("fenced", key)
        raise
    return key


# Four ways of not ending ----------------------------------------------------------------------------------------------


@app.task
def endless_sleep(key: object = "endless") -> None:
    note("start", key)
    time.sleep(60)


@app.task
def endless_loop(key: object = "endless") -> None:
    note("start", key)
    while True:
        pass


@app.task
def endless_c(key: object = "endless") -> None:
    """One C call that holds the interpreter lock and does not look at signals."""
    note("start", key)
    sum(range(10**12))


@app.task
def c_for_seconds(key: object, letters: int) -> None:
    """A regular expression that takes a few seconds, with the interpreter lock held."""
    note("start", key)
    re.match(r"(a+)+$", "a" * letters + "b")
    note("end", key)


@app.task
def endless_catching(key: object = "endless") -> None:
    note("start", key)
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            note("caught", key)


@app.task
async def endless_await(key: object = "endless") -> None:
    note("start", key)
    await asyncio.sleep(60)


@app.task
async def notes_its_cancellation(key: object) -> None:
    note("start", key)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        note("cancelled", key)
        raise


@app.task
async def endless_async_loop(key: object = "endless") -> None:
    """Never lets its loop do anything else."""
    note("start", key)
    while True:
        pass


_mine: ContextVar[object] = ContextVar("mine", default=None)


@app.task(bind=True)
def whose_context(self: Task[..., Any], key: object) -> list[object]:
    """What this call has set, after others have had their turn."""
    assert _mine.get() is None
    _mine.set(key)
    time.sleep(0.01)
    return [_mine.get(), self.request.id]


@app.task
def whose_process() -> int:
    return os.getpid()


@app.task
async def blocks_its_loop(key: object, seconds: float) -> object:
    note("start", key)
    time.sleep(seconds)
    note("end", key)
    return key


@app.task(bind=True)
async def speaks_without_awaiting(self: Task[..., Any], key: int) -> str:
    """Publishes and stores by the calls that block."""
    self.update_state(state="HALFWAY", meta={})
    return str(add.delay(key, 1).id)


@app.task
async def exits_while_awaiting() -> None:
    await asyncio.sleep(0)
    raise SystemExit(3)


@app.task
async def leaves_an_exit_behind(key: object) -> object:
    """Something in the background raises what ends a loop, before this one ends."""

    async def exits() -> None:
        raise SystemExit(3)

    behind = asyncio.get_running_loop().create_task(exits())
    while not behind.done():
        await asyncio.sleep(0)
    note("end", key)
    return key


_kept: list[bytearray] = []


@app.task
def grows(megabytes: int) -> None:
    _kept.append(bytearray(b"x" * (megabytes << 20)))


@app.task
async def catches_soft(key: object = "caught") -> str:
    note("start", key)
    try:
        await asyncio.sleep(60)
    except Exception as error:
        note("caught", type(error).__name__)
        return type(error).__name__
    return "never"


# Children -------------------------------------------------------------------------------------------------------------


def _child(number: int) -> None:
    os._exit(number % 7)


@app.task
def forks(i: int) -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(i % 7)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@app.task
def starts_a_process(i: int) -> int:
    child = get_context("fork").Process(target=_child, args=(i,))
    child.start()
    child.join()
    return int(child.exitcode or 0)


@app.task
def runs_a_program(i: int) -> int:
    return subprocess.run(["true"], check=False).returncode


@app.task
def forks_and_forgets() -> int:
    """A child that comes back from the task function, as no child should."""
    return os.fork()


@app.task
def runs_a_loop(i: int) -> int:
    async def twice() -> int:
        await asyncio.sleep(0)
        return i * 2

    return asyncio.run(twice())


@app.task(rate_limit="10/s")
def limited(key: object) -> None:
    note("start", f"limited-{key}")


# Hooks and signals ----------------------------------------------------------------------------------------------------


class Hooked(Task[..., Any]):
    """Notes each hook, and whether its result could be read by then."""

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        note("hook", "before_start")

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        note("hook", "on_success", app.AsyncResult(task_id).state)

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        note("hook", "on_failure", app.AsyncResult(task_id).state)

    def on_retry(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        note("hook", "on_retry", app.AsyncResult(task_id).state)

    def after_return(self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        note("hook", "after_return", status)


@app.task(base=Hooked)
def hooked(text: str) -> str:
    note("hook", "run")
    if text == "raise":
        raise ValueError(text)
    return text


if os.environ.get("SUBJECT_SIGNALS"):

    def _noting(name: str) -> Any:
        def receiver(sender: Any = None, **named: Any) -> None:
            note("signal", name, ",".join(sorted(k for k in named if k != "signal")))

        return receiver

    for _name in ("task_received", "task_prerun", "task_postrun", "task_success", "task_failure", "task_retry",
                  "task_revoked", "task_unknown", "task_rejected", "worker_init", "worker_ready",
                  "worker_process_init", "worker_process_shutdown", "worker_shutting_down", "worker_shutdown",
                  "before_task_publish", "after_task_publish"):  # fmt: skip
        getattr(signals, _name).connect(_noting(_name), weak=False)


# Bad manners ----------------------------------------------------------------------------------------------------------


class Unprintable(Exception):
    """Its own text is what fails."""

    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__


@app.task
def bad_manners(how: str) -> object:
    """One thing that a task should not do, by name."""
    return getattr(Manners, how)()


class Manners:
    """Each ends in its own way, and none may cost more than its own task."""

    @staticmethod
    def raises_unprintable() -> None:
        raise Unprintable(Unprintable())

    @staticmethod
    def raises_unencodable() -> None:
        raise ValueError("\udc80", threading.Lock())

    @staticmethod
    def raises_its_own_cause() -> None:
        error = ValueError("circle")
        error.__cause__ = error
        raise error

    @staticmethod
    def raises_base() -> None:
        raise GeneratorExit

    @staticmethod
    def recurses() -> object:
        return Manners.recurses()

    @staticmethod
    def returns_itself() -> object:
        value: list[object] = []
        value.append(value)
        return value

    @staticmethod
    def returns_unprintable() -> object:
        return Unprintable()

    @staticmethod
    def returns_megabytes() -> str:
        return "x" * 5_000_000

    @staticmethod
    def closes_its_output() -> str:
        sys.stdout.close()
        sys.stderr.close()
        return "closed"

    @staticmethod
    def reads_its_input() -> str:
        return sys.stdin.read()

    @staticmethod
    def signals_its_group() -> str:
        os.killpg(0, signal.SIGTERM)
        return "alive"

    @staticmethod
    def terminates_a_program() -> int:
        program = subprocess.Popen(["sleep", "60"])
        program.terminate()
        return program.wait(10)

    @staticmethod
    def terminates_a_child() -> int | None:
        child = get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
        child.terminate()
        child.join(10)
        return child.exitcode

    @staticmethod
    def forks_and_exits() -> int:
        pid = os.fork()
        if pid == 0:
            sys.exit(7)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    @staticmethod
    def publishes_from_a_child() -> int:
        pid = os.fork()
        if pid == 0:
            quick.delay("from a child")
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    @staticmethod
    def publishes_from_a_thread() -> str:
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.append(quick.delay("from a thread").id))
        thread.start()
        thread.join()
        return "published" if found else "lost"

    @staticmethod
    def leaves_a_thread() -> str:
        threading.Thread(target=time.sleep, args=(1000,)).start()
        return "left"

    @staticmethod
    def publishes_in_a_loop_of_its_own() -> str:
        async def publish() -> None:
            await quick.adelay("from a loop")

        asyncio.run(publish())
        return "published"


@app.task
def closes_everything() -> None:
    note("start", "closes_everything")
    os.closerange(3, 4096)


@app.task(acks_late=False)
def early(key: object) -> object:
    note("start", key)
    time.sleep(0.004)
    return key


@app.task(soft_time_limit=0.2)
def cleans_up() -> str:
    """A soft limit meets nested handlers; what they do takes longer than the limit was."""
    try:
        try:
            time.sleep(60)
        finally:
            time.sleep(0.3)
            note("cleaned")
    except Exception as error:
        time.sleep(0.3)
        return type(error).__name__
    return "never"


class Rude(Task[..., Any]):
    """Hooks that do what hooks should not."""

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        if args[0] == "before_start sleeps":
            time.sleep(60)

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        note("hook", args[0])
        if args[0] == "on_success exits":
            sys.exit(5)
        if args[0] == "on_success sleeps":
            time.sleep(60)


@app.task(base=Rude, soft_time_limit=0.2)
def rude(how: str) -> object:
    return os.fork() if how == "forks" else how


LONG_NAME = "long-" + "ж" * 300


@app.task(name=LONG_NAME)
def long_name() -> str:
    return "long"


def _misbehave(kind: str) -> None:
    note("init", kind)
    if kind == "dies":
        os._exit(3)
    if kind == "exits":
        sys.exit(3)
    if kind == "raises":
        raise ValueError(kind)
    if kind == "hangs":
        time.sleep(1000)


def _misbehaving(variable: str) -> Any:
    kind = os.environ[variable]
    return lambda **_: _misbehave(kind)


if "SUBJECT_INIT" in os.environ:
    signals.worker_process_init.connect(_misbehaving("SUBJECT_INIT"), weak=False)
if "SUBJECT_READY" in os.environ:
    signals.worker_ready.connect(_misbehaving("SUBJECT_READY"), weak=False)
if "SUBJECT_RECEIVERS" in os.environ:
    for _signal in (signals.task_received, signals.task_prerun, signals.task_postrun, signals.task_success):
        _signal.connect(_misbehaving("SUBJECT_RECEIVERS"), weak=False)
if "SUBJECT_THREAD" in os.environ:
    threading.Thread(target=time.sleep, args=(10_000,), daemon=True, name="left-by-import").start()


# Workflows ------------------------------------------------------------------------------------------------------------


@app.task
def listed(*values: Any) -> list[Any]:
    """What it was given, so that a test sees who called it with what."""
    return list(values)


@app.task
def noted(value: Any, key: object = "noted") -> Any:
    note("start", key)
    return value


@app.task
def if_open(value: Any, key: object, gate: str) -> Any:
    """Fail until a file exists."""
    note("start", key)
    if not os.path.exists(gate):
        raise ValueError("shut")
    return value


@app.task
def survives_if_open(value: Any, key: object, gate: str) -> Any:
    """Take the process along until a file exists."""
    note("start", key)
    if not os.path.exists(gate):
        os.kill(os.getpid(), signal.SIGKILL)
    return value


@app.task(bind=True)
def replaced_by_a_chord(self: Task[..., Any], key: str, gate: str) -> Any:
    header = [noted.s(1, f"{key}-1"), if_open.s(2, f"{key}-2", gate)]
    note("start", key)
    return self.replace(chord(header, noted.s(f"{key}-body")))


@app.task
def calls_when_open(key: str, gate: str) -> str:
    """Call another task once a file exists."""
    note("start", key)
    while not os.path.exists(gate):
        time.sleep(0.005)
    noted.delay(key, f"{key}-child")
    return key


@app.task(ignore_result=True)
def unstored(value: Any) -> Any:
    return value


@app.task
def calls_a_chain(links: int) -> str:
    return str(chain(add.s(0, 0), *[add.s(1) for _ in range(links)]).delay().id)


@app.task
def old_errback(task_id: str) -> None:
    note("errback", "old", task_id)


@app.task
def new_errback(request: Any, exc: Exception, traceback: str) -> None:
    note("errback", "new", request.id, type(exc).__name__, str(exc).replace(" ", "_"))


@app.task(bind=True)
def bound_errback(self: Task[..., Any], task_id: str) -> None:
    note("errback", "bound", task_id, self.request.parent_id)


@app.task(bind=True, max_retries=3, default_retry_delay=0)
def third_time(self: Task[..., Any], value: Any) -> Any:
    if self.request.retries < 2:
        raise self.retry()
    return value


@app.task
def dies_once(value: Any, mark: str) -> Any:
    """Take the process along the first time."""
    note("start", "dies_once")
    if not os.path.exists(mark):
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return value


@app.task(acks_late=False)
def dies_early() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def sleep_after(values: list[str], key: str, seconds: float) -> list[str]:
    """The body of a chord of sleeps."""
    sleep.run(key, seconds)
    return values


@app.task
def wants(path: str, value: Any) -> Any:
    """Fail until a file exists."""
    note("start", "wants", value)
    if not os.path.exists(path):
        raise FileNotFoundError(path)
    return value


@app.task(bind=True)
def enlarges(self: Task[..., Any], n: int) -> int:
    """Add a member to the chord that it is in."""
    self.add_to_chord(add.s(n, 100))
    return n


@app.task(bind=True)
def enlarges_by(self: Task[..., Any], signature: dict[str, Any]) -> int:
    self.add_to_chord(app.signature(signature))
    return 0


@app.task(bind=True)
def weighed(self: Task[..., Any], *values: Any) -> int:
    """Note how many bytes the message is that called it."""
    message = self.request.message
    assert message is not None
    note("weight", len(message.head) + len(message.body))
    return 1


@app.task(bind=True)
def gives_way(self: Task[..., Any], n: int) -> Any:
    """Let a group take its place."""
    return self.replace(group(add.s(n, 1), add.s(n, 2)))
