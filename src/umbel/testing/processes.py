"""Processes of a worker under test, found from outside (Linux)."""

from collections import defaultdict
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """The pids of its children, and theirs."""
    by_parent: dict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended while we looked
        by_parent[parent].append(int(path.parent.name))
    found, looked = [], [pid]
    while looked:
        children = by_parent[looked.pop()]
        found += children
        looked += children
    return found
