"""Names of keys: kombu's for what Celery reads too, and Umbel's own below ``umbel:``. Pure."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from umbel.core.errors import ImproperlyConfigured
from umbel.core.queues import COPY, Queue

SEP = "\x06\x16"
STEPS = (0, 3, 6, 9)


class Layout:
    """Where things are on one server. ``prefix`` stands before every key."""

    def __init__(self, options: Mapping[str, Any], db: int = 0) -> None:
        self.prefix = str(options.get("global_keyprefix", ""))
        self.own = f"{self.prefix}umbel:"
        self.sep = str(options.get("sep", SEP))
        self.steps = _steps(options.get("priority_steps", STEPS))
        self.order = str(options.get("queue_order_strategy", "round_robin"))
        if self.order not in ("round_robin", "sorted", "priority"):
            raise ImproperlyConfigured(f"queue_order_strategy is round_robin, sorted or priority, not {self.order!r}")
        prefix = options.get("fanout_prefix", True)
        self.fanout = (prefix if isinstance(prefix, str) else "/{db}." if prefix else "").format(db=db)
        self.fanout_patterns = bool(options.get("fanout_patterns", True))
        self.unacked = self.prefix + str(options.get("unacked_key", "unacked"))
        self.unacked_index = self.prefix + str(options.get("unacked_index_key", "unacked_index"))
        self._declared: dict[str, Queue] = {}
        self._suffixes = tuple("" if step == 0 else f"{self.sep}{step}" for step in self.steps)
        self._by_priority = tuple(
            self._suffixes[max(index for index, step in enumerate(self.steps) if step <= max(priority, self.steps[0]))]
            for priority in range(10)
        )

    def list_for(self, queue: str, priority: int | None) -> str:
        """The list of a message: that of the largest step which is not above its priority, as kombu has it."""
        return f"{self.prefix}{queue}{self._by_priority[min(max(priority or 0, 0), 9)]}"

    def suffix(self, priority: int | None) -> str:
        """What the lists of this priority end in."""
        return self._by_priority[min(max(priority or 0, 0), 9)]

    def lists(self, queues: Iterable[str]) -> list[str]:
        """All lists of these queues in the order in which they are read: the lowest step of all queues first."""
        names = tuple(queues)
        return [f"{self.prefix}{queue}{suffix}" for suffix in self._suffixes for queue in names]

    def queue_of(self, key: str) -> str:
        """The queue that a list belongs to."""
        name = key.removeprefix(self.prefix)
        stem, sep, step = name.rpartition(self.sep)
        return stem if sep and step.isdecimal() else name

    def ordered(self, wanted: Sequence[str], chosen: Sequence[str]) -> Sequence[str]:
        """Queues as ``queue_order_strategy`` wants them: in turn, by name, or always as they were ``chosen``."""
        if self.order == "sorted":
            return sorted(wanted)
        if self.order == "priority":
            among = set(wanted)
            return [queue for queue in chosen if queue in among] or wanted
        return wanted

    # Kombu's tables of bindings ---------------------------------------------------------------------------------------

    def bindings(self, exchange: str) -> str:
        """The set that lists what is bound to an exchange."""
        return f"{self.prefix}_kombu.binding.{exchange}"

    def permanent(self, exchange: str) -> str:
        """The set of bindings for which kombu keeps the other, though a third one in it was only for a time."""
        return f"{self.prefix}_kombu.binding_permanent.{exchange}"

    def declare(self, queues: Iterable[Queue]) -> None:
        """Know what these queues are bound to. Others are bound to the exchange of their own name."""
        self._declared.update({queue.name: queue for queue in queues if not queue.is_fanout})

    @property
    def declared(self) -> list[str]:
        """The declared queues that are bound to an exchange: tasks may send there too."""
        return [name for name, queue in self._declared.items() if queue.links]

    def of_exchange(self, exchange: str) -> list[str]:
        """The declared queues that are bound to an exchange."""
        return [
            name
            for name, queue in self._declared.items()
            if any(link.exchange.name == exchange for link in queue.links)
        ]

    def bind(self, queues: Iterable[str]) -> list[tuple[str, ...]]:
        """The commands that write the bindings of these queues, as kombu does. Copies of broadcasts have none."""
        commands: list[tuple[str, ...]] = []
        for queue in queues:
            if queue.startswith(COPY):
                continue
            for exchange, member in self.bound(queue):
                commands.append(("SADD", self.bindings(exchange), member))
                if exchange != queue:
                    commands.append(("SADD", self.permanent(exchange), member))
        return commands

    def bound(self, queue: str) -> list[tuple[str, str]]:
        """The exchanges of a queue, each with the member that binds it, as kombu writes it: key, pattern, queue."""
        declared = self._declared.get(queue)
        if declared is None or not declared.links:
            return [(queue, self.sep.join((queue, "", queue)))]
        return [
            (exchange.name, self.sep.join((key, _pattern(key) if exchange.type == "topic" else "", queue)))
            for exchange, key in declared.links
        ]

    # Kombu's channels of fan-out exchanges ----------------------------------------------------------------------------

    def channel(self, exchange: str, routing_key: str = "") -> str:
        """Where what is sent to a fan-out exchange is published."""
        name = f"{self.prefix}{self.fanout}{exchange}"
        return f"{name}/{routing_key}" if routing_key and self.fanout_patterns else name

    def heard(self, exchange: str) -> tuple[str, str]:
        """The channel, and the pattern of channels, on which everything for a fan-out exchange arrives."""
        name = self.channel(exchange)
        return name, "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in name) + "/*"


_WILDCARDS = {"*": r"[^\.]+", "#": ".*?"}


def _pattern(key: str) -> str:
    """A topic as kombu's regular expression."""
    return "^{}$".format(r"\.".join(_WILDCARDS.get(word) or _escaped(word) for word in key.split(".")))


def _escaped(word: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "#*" else f"\\{letter}" for letter in word)


def group_of(queues: Iterable[str]) -> str:
    """A short name for a set of queues: who shares it waits together."""
    return hashlib.sha1("\0".join(sorted(queues)).encode(), usedforsecurity=False).hexdigest()[:12]


def _steps(value: Any) -> tuple[int, ...]:
    try:
        steps = tuple(sorted({int(step) for step in value}))
    except (TypeError, ValueError) as exc:
        raise ImproperlyConfigured(f"priority_steps is a list of numbers from 0 to 9, not {value!r}") from exc
    if not steps:
        raise ImproperlyConfigured("priority_steps names no step")
    return steps
