"""What led to what, as a graph of results: ``result.graph``. Data only: reads no store.

Its names are those of Celery's ``DependencyGraph``; its DOT output is plain, without Celery's colours.
"""

from collections.abc import Hashable, ItemsView, Iterator
from graphlib import TopologicalSorter
from typing import Any, TextIO


class DependencyGraph:
    """Nodes, and for each the nodes that it led to."""

    def __init__(self) -> None:
        self.adjacent: dict[Any, list[Any]] = {}

    def add_arc(self, node: Hashable) -> None:
        """Add a node, if it is not there yet."""
        self.adjacent.setdefault(node, [])

    def add_edge(self, node: Hashable, led_to: Hashable) -> None:
        """Say that ``node``, which is there, led to another. Raises ``KeyError``."""
        self.adjacent[node].append(led_to)

    def edges(self) -> Iterator[Any]:
        """The nodes that led to something."""
        return (node for node, adjacent in self.items() if adjacent)

    def items(self) -> ItemsView[Any, list[Any]]:
        """Each node with those that it led to."""
        return self.adjacent.items()

    def topsort(self) -> list[Any]:
        """The nodes, each after all that it led to. Raises ``graphlib.CycleError``."""
        return list(TopologicalSorter(self.adjacent).static_order())

    def to_dot(self, file: TextIO) -> None:
        """Write it for Graphviz."""
        print("digraph dependencies {", file=file)
        for node, adjacent in self.items():
            print(f'    "{_label(node)}"', file=file)
            for led_to in adjacent:
                print(f'    "{_label(node)}" -> "{_label(led_to)}"', file=file)
        print("}", file=file)

    def __len__(self) -> int:
        return len(self.adjacent)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.adjacent)

    def __contains__(self, node: object) -> bool:
        return node in self.adjacent

    def __getitem__(self, node: Hashable) -> list[Any]:
        return self.adjacent[node]


def _label(node: Any) -> str:
    return str(getattr(node, "id", node)).replace("\\", "\\\\").replace('"', '\\"')
