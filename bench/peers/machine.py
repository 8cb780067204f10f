"""What is measured from outside: processes and their memory, what the server ran and how much of a core it used."""

import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PRIORITY = 20


@functools.cache
def has_realtime() -> bool:
    """Whether this machine lets us run ahead of its other work (``chrt``)."""
    line = ["chrt", "-r", str(PRIORITY), "true"]
    return shutil.which("chrt") is not None and subprocess.run(line, capture_output=True, check=False).returncode == 0


def ahead(line: list[str], realtime: bool) -> list[str]:
    """A command that runs ahead of the machine's other work."""
    return ["chrt", "-r", str(PRIORITY), *line] if realtime and has_realtime() else line


def put_ahead(pid: int, realtime: bool) -> None:
    if realtime and has_realtime():
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(PRIORITY))


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for each in found:
        found.extend(parents.get(each, []))
    return found


def pss(pid: int) -> float:
    """Resident memory of a process and its descendants in MB, what they share counted once."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def kill(process: "subprocess.Popen[Any]") -> None:
    """End a process and its descendants at once. Only what we started."""
    for each in reversed(tree(process.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    process.wait()


def until(fact: Callable[[], Any], what: str, seconds: float = 120.0) -> Any:
    """Wait for a fact and return it. Raises ``TimeoutError``."""
    give_up = time.monotonic() + seconds
    while not (found := fact()):
        if time.monotonic() > give_up:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)
    return found


def watched(host: str, port: int, seconds: float) -> tuple[int, int]:
    """How many commands came from clients in so many seconds, and how many ran inside of scripts. Idle servers only."""
    seen = b""
    over = time.monotonic() + seconds
    with socket.create_connection((host, port), seconds) as link:
        link.sendall(b"MONITOR\r\n")
        while (left := over - time.monotonic()) > 0:
            link.settimeout(left)
            with contextlib.suppress(TimeoutError):
                seen += link.recv(65536)
    lines = seen.splitlines()[1:]
    inner = sum(b" lua] " in line[:40] for line in lines)
    return len(lines) - inner, inner


def commands(client: Any) -> int:
    """How many commands the server has run, those in scripts included, without our own looking."""
    counts = client.info("commandstats")
    return sum(count["calls"] for name, count in counts.items() if not name.startswith("cmdstat_info"))


def cpu(client: Any) -> float:
    """Seconds of processor time that the server has used."""
    used = client.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])
