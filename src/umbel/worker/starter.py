"""How processes come to be: a fork server with the application in it, or, where that is unsafe, a new interpreter.

The fork server is forked from the worker before it has a thread or a loop, with the application imported: a clean
parent, and its pages are shared. If importing the application left a thread or a socket behind, a fork would copy half
of them; then every process is a new interpreter that imports the application itself.
"""

import array
import asyncio
import gc
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Protocol

import msgspec

from umbel.app.application import Umbel
from umbel.runtime import children, system
from umbel.worker import process
from umbel.worker.process import Birth

logger = logging.getLogger("umbel.worker")


class StartFailed(Exception):
    """A process could not be started, and trying again will not help."""


class Child:
    """A process of this worker, from outside. ``status`` is its wait status once it has ended.

    ``process`` is the handle of a child of our own: where there are no pidfds, a thread waits for it.
    """

    def __init__(self, pid: int, line: socket.socket, process: "subprocess.Popen[bytes] | None" = None) -> None:
        self.pid = pid
        self.line = line
        self.status: int | None = None
        self.ended = asyncio.Event()
        self._pidfd = children.open_pidfd(pid)
        if self._pidfd is not None:
            asyncio.get_running_loop().add_reader(self._pidfd, self._dead)
        elif process is not None:
            loop = asyncio.get_running_loop()
            threading.Thread(target=self._wait, args=(process, loop), name="umbel-child", daemon=True).start()
        else:
            self.ended.set()
        self._process = process

    def _wait(self, process: "subprocess.Popen[bytes]", loop: asyncio.AbstractEventLoop) -> None:
        code = process.wait()
        self.status = -code if code < 0 else code << 8
        try:
            loop.call_soon_threadsafe(self._dead)
        except RuntimeError:
            pass  # the worker has ended meanwhile

    def _dead(self) -> None:
        self._forget()
        self.ended.set()

    def _forget(self) -> None:
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def kill(self) -> None:
        """SIGKILL, if it still runs: by its descriptor, for its pid may be another's already."""
        if self._pidfd is not None:
            children.kill_by(self._pidfd)
        elif self._process is not None:
            self._process.kill()

    def dump(self) -> None:
        """Have it write the stacks of its threads to standard error. Only once it is ready: it would end before."""
        if self._pidfd is not None:
            children.kill_by(self._pidfd, signal.SIGUSR1)
        else:
            children.kill(self.pid, signal.SIGUSR1)

    def stop(self) -> None:
        """Ask it to stop."""
        try:
            self.line.send(b"stop\n")
        except OSError:
            pass

    def heed_marks(self) -> None:
        """Ask it to look whether marks for many tasks are about one that it runs."""
        try:
            self.line.send(b"heed\n")
        except OSError:
            pass

    def end(self, generation: int, serial: int, number: int) -> None:
        """Ask it to end one task that it runs, where it runs one at a time by this signal."""
        try:
            self.line.send(b"end %d %d %d\n" % (generation, serial, number))
        except OSError:
            pass  # it is gone, or hears nothing: then the whole process goes

    def close(self) -> None:
        """Free what belongs to it here."""
        self._forget()
        self.line.close()


class Starter(Protocol):
    """Starts processes and knows how they ended. ``pids`` are children of its own besides those."""

    pids: set[int]

    async def start(self, birth: Birth) -> Child:
        """Start one. Raises ``StartFailed``."""

    async def status(self, child: Child) -> int | None:
        """The wait status of a child that has ended; None if nobody knows."""

    def close(self) -> None:
        """Start no more."""


# The fork server ------------------------------------------------------------------------------------------------------

_PID = msgspec.json.Decoder(dict[str, int])


class ForkServer:
    """The worker's side of it. Must be made before the worker has threads or a loop."""

    def __init__(self, app: Umbel) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            ours.close()
            status = 1
            try:
                status = _serve(app, theirs)
            finally:
                os._exit(status)
        theirs.close()
        self.pids = {pid}
        self._socket = ours
        self._turn = asyncio.Lock()  # one question, one answer
        self._instead: Spawner | None = None

    async def start(self, birth: Birth) -> Child:
        """Have it fork one; when it is gone, start new interpreters from then on."""
        if self._instead is None:
            try:
                return await self._fork(birth)
            except OSError as error:
                self._give_up(error)
        return await (self._instead or Spawner()).start(birth)

    def _give_up(self, error: OSError) -> None:
        """Kill it, in case it is only stopped: so its children become ours, and their statuses too."""
        if self._instead is None:
            logger.warning("The fork server is gone (%s). From now on every process is a new interpreter", error)
            self._instead = Spawner()
            for pid in self.pids:
                children.kill(pid)

    async def _fork(self, birth: Birth) -> Child:
        line, theirs = socket.socketpair()
        try:
            async with self._turn:
                _send(self._socket, msgspec.json.encode(birth), theirs.fileno())
                answer = await self._answer("pid")
        except OSError:
            line.close()
            raise
        finally:
            theirs.close()
        return Child(answer, line)

    async def status(self, child: Child) -> int | None:
        """Ask it, as it is the parent; if it is gone itself, the child was ours to wait for."""
        try:
            async with self._turn:
                self._socket.send(msgspec.json.encode({"wait": child.pid}))
                status = await self._answer("status")
        except OSError as error:
            self._give_up(error)
            return _wait(child.pid)
        return status if status >= 0 else _wait(child.pid)

    async def _answer(self, key: str) -> int:
        """One datagram. The fork server answers at once; a second is for a machine that swaps."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._socket, readable.set)
        try:
            await asyncio.wait_for(readable.wait(), 10)
        except TimeoutError as error:
            raise OSError("no answer") from error
        finally:
            loop.remove_reader(self._socket)
        data = self._socket.recv(4096)
        if not data:
            raise OSError("closed")
        answer = _PID.decode(data)
        # One that came too late for who asked is not for us.
        return answer[key] if key in answer else await self._answer(key)

    def close(self) -> None:
        """End it."""
        self._socket.close()
        for pid in self.pids:
            children.kill(pid)  # it has nothing left to do, and may be stopped
            _wait(pid)


def _serve(app: Umbel, requests: socket.socket) -> int:
    """The fork server itself: one thread, no sockets but this one, and nothing in it ever runs a task."""
    os.setpgid(0, 0)
    for number in system.STOPS:
        signal.signal(number, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    statuses: dict[int, int] = {}
    while True:
        select.select([requests], [], [], 1.0)
        _reap(statuses)
        try:
            data, fds = _receive(requests)
        except BlockingIOError:
            continue
        if not data:
            return 0
        if not fds:
            pid = msgspec.json.decode(data)["wait"]
            requests.send(msgspec.json.encode({"status": _status_of(pid, statuses)}))
            continue
        pid = os.fork()
        if pid == 0:
            requests.close()
            _be_process(app, data, fds[0])
        os.close(fds[0])
        requests.send(msgspec.json.encode({"pid": pid}))


def _be_process(app: Umbel, data: bytes, fd: int) -> None:
    status = 1
    try:
        birth = msgspec.json.decode(data, type=Birth)
        status = process.main(app, birth, socket.socket(fileno=fd))
    except BaseException:
        logger.exception("A process could not start")
    finally:
        process.leave(status)


def _reap(statuses: dict[int, int]) -> None:
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            statuses[ended[0]] = ended[1]
    except ChildProcessError:
        pass


def _status_of(pid: int, statuses: dict[int, int]) -> int:
    if pid not in statuses:
        try:
            statuses[pid] = os.waitpid(pid, 0)[1]
        except ChildProcessError:
            return -1
    return statuses.pop(pid)


def _send(channel: socket.socket, data: bytes, fd: int) -> None:
    channel.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])


def _receive(channel: socket.socket) -> tuple[bytes, list[int]]:
    data, ancillary, _, _ = channel.recvmsg(65536, socket.CMSG_LEN(array.array("i", [0]).itemsize), socket.MSG_DONTWAIT)
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content)
    return data, list(fds)


# A new interpreter ----------------------------------------------------------------------------------------------------


class Spawner:
    """Starts a new interpreter for each process, which imports the application itself."""

    def __init__(self) -> None:
        self.pids: set[int] = set()

    async def start(self, birth: Birth) -> Child:
        """Start one."""
        if not birth.plan.app_at:
            raise StartFailed("the application is in no module from which a new interpreter could import it")
        line, theirs = socket.socketpair()
        command = [
            sys.executable,
            "-m",
            "umbel.worker.spawned",
            str(theirs.fileno()),
            msgspec.json.encode(birth).decode(),
        ]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        try:
            started = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment)
        except OSError as error:
            line.close()
            raise StartFailed(str(error)) from error
        finally:
            theirs.close()
        if not hasattr(os, "pidfd_open"):
            return Child(started.pid, line, started)
        started.returncode = 0  # we wait for it ourselves
        return Child(started.pid, line)

    async def status(self, child: Child) -> int | None:
        """It is our own child."""
        return _wait(child.pid) if child.status is None else child.status

    def close(self) -> None:
        """Nothing is held."""


def _wait(pid: int) -> int | None:
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:
        return None


def _threads() -> list[str]:
    """Other threads, with the module whose code they run where Python knows it."""
    known = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    named = [f"{thread.name} of {getattr(thread, '_target', None).__module__}" for thread in known if _target(thread)]
    return named or children.other_threads()


def _target(thread: threading.Thread) -> bool:
    return hasattr(getattr(thread, "_target", None), "__module__")


def make_starter(app: Umbel, method: str, warn: Callable[[str], None]) -> Starter:
    """A fork server, unless ``method`` is spawn or this process cannot be forked; else new interpreters."""
    if method == "spawn" or not system.can_fork():
        return Spawner()
    threads = _threads()
    sockets = children.open_sockets()
    if not threads and not sockets:
        return ForkServer(app)
    left = [f"threads ({', '.join(threads)})"] if threads else []
    left += ["sockets"] if sockets else []
    warn(
        f"Importing the application left {' and '.join(left)} behind, which a fork would break. Every process imports "
        "it anew instead, which starts slower and takes more memory. Open them in a worker_process_init handler."
    )
    return Spawner()
