"""Platforms that are not Linux: what they lack is hidden here, and Umbel must do without."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import umbel
from tests.worker.fleet import Farm, until

SOURCE = Path(umbel.__file__).parent
HIDE = """
import asyncio, os, select, signal, socket, sys

MODULES = {"fcntl", "grp", "pwd", "pty", "resource", "syslog", "termios", "tty"}


class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


# Python's own modules and other libraries know where they run.
import subprocess, multiprocessing.connection, tempfile, logging.handlers
import eventlet, eventlet.hubs, gevent, gevent.hub, gevent.socket, gevent.threadpool
for name in MODULES:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Hidden())
for module, names in {
    os: "fork forkpty register_at_fork getuid geteuid getgid setuid setgid initgroups setgroups setsid setpgid waitid "
        "pidfd_open sched_getaffinity sched_yield O_CLOEXEC O_DIRECTORY WNOHANG WIFSIGNALED",
    signal: "SIGALRM SIGKILL SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGCHLD SIGSTOP SIGCONT SIGBUS SIG_BLOCK SIG_SETMASK "
            "pthread_sigmask setitimer ITIMER_REAL pidfd_send_signal",
    socket: "AF_UNIX SCM_RIGHTS TCP_USER_TIMEOUT TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT",
    select: "poll epoll",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
"""
IMPORT_ALL = """
import importlib, json, pkgutil, traceback, umbel

failed = {}
for module in pkgutil.walk_packages(umbel.__path__, "umbel."):
    if module.name in ("umbel.__main__", "umbel.celery.contrib.django.task"):  # a program; needs Django
        continue
    try:
        importlib.import_module(module.name)
    except BaseException as error:
        failed[module.name] = traceback.format_exc(limit=-1)
print(json.dumps(failed))
"""


def test_every_module_can_be_imported_without_posix() -> None:
    run = subprocess.run([sys.executable, "-c", HIDE + IMPORT_ALL], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {}
    assert len(list(SOURCE.rglob("*.py"))) > 100


def test_processes_are_new_interpreters_if_asked(farm: Farm) -> None:
    worker = farm.worker("-c", "2", "--pool-start-method", "spawn")
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in worker.descendants()]
    assert len(commands) == 2
    assert all("umbel.worker.spawned" in command for command in commands)
    assert worker.stop() == 0


MACOS = "import os; del os.pidfd_open; from umbel.cli import main; main()"


@pytest.mark.parametrize("death", [signal.SIGKILL, None])
def test_without_pidfds_processes_are_spawned_watched_and_replaced(farm: Farm, death: int | None) -> None:
    command = [sys.executable, "-c", MACOS, "-A", "tests.worker.subjects", "worker", "-l", "INFO", "-c", "1"]
    worker = farm.worker(ready=False, command=command).ready()
    gate = farm.gate()
    farm.send("hold", "first", str(gate))
    pid = farm.started("first").pid
    if death is not None:
        os.kill(pid, death)
        assert farm.started("first", 2).pid != pid
        until(lambda: "killed by SIGKILL" in worker.text, what="the loss is told")
    gate.touch()
    until(lambda: farm.lines("end", "first"), what="it ran to its end")
    assert worker.stop() == 0
