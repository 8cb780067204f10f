"""How worn a process is: tasks run and memory taken, against the limits of the plan. Decides; ends nothing."""

import os
from collections.abc import Callable
from pathlib import Path

from umbel.runtime import system
from umbel.worker.plan import Plan

_STATM = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE") // 1024 if hasattr(os, "sysconf") else 4


class Wear:
    """Calls ``retire`` with the reason once the process has run or grown enough."""

    def __init__(self, plan: Plan, retire: Callable[[str], None]) -> None:
        self._tasks = plan.max_tasks
        self._memory = plan.max_memory
        self._retire = retire

    def after(self, count: int) -> None:
        """After each task: ``count`` is how many there were."""
        if self._tasks and count >= self._tasks:
            self._retire(f"it has run {count} tasks (--max-tasks-per-child)")
        elif self._memory and (taken := resident()) > self._memory:
            self._retire(f"it takes {taken} KiB (--max-memory-per-child {self._memory})")


def resident() -> int:
    """Memory that this process has in use, in KiB; at its highest where the system tells no other."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * _PAGE
    except OSError:
        return system.highest_memory()
