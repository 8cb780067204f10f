"""The producer's side of a measurement, run in the environment of one peer: ``python -m peers.client celery fill …``.

It sends and waits through the peer's own functions, and prints one line of JSON.
"""

import argparse
import asyncio
import importlib
import inspect
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

from peers import work
from peers.work import EVERY

AT_ONCE = 1000
"""Messages in one bulk call."""
PAUSE = 0.01
"""Seconds of rest before each round trip, on average, so that the worker is idle each time."""

Figures = dict[str, Any]
Call = tuple[str, int]


class Client:
    """A peer's file behind one asynchronous face. What the peer does itself in blocking calls stays a plain loop."""

    def __init__(self, peer: Any) -> None:
        self.peer = peer
        self.is_async = inspect.iscoroutinefunction(peer.send)
        self.has_bulk = hasattr(peer, "send_many")

    async def one_by_one(self, tasks: Iterator[Call], until: float) -> int:
        """Send until the tasks or the time are over, and say how many."""
        send, sent = self.peer.send, 0
        for name, number in tasks:
            if self.is_async:
                await send(name, number)
            else:
                send(name, number)
            sent += 1
            if time.perf_counter() > until:
                break
        return sent

    async def in_bulk(self, tasks: Iterator[Call], until: float) -> int:
        """As ``one_by_one``, a thousand at a time."""
        sent = 0
        for calls in iter(lambda: list(itertools.islice(tasks, AT_ONCE)), []):
            if self.is_async:
                await self.peer.send_many(calls)
            else:
                self.peer.send_many(calls)
            sent += len(calls)
            if time.perf_counter() > until:
                break
        return sent

    async def round_trip(self) -> float:
        started = time.perf_counter()
        if hasattr(self.peer, "call"):
            value = await self.peer.call(7)
        elif self.is_async:
            value = await self.peer.result(await self.peer.send("noop", 7))
        else:
            value = self.peer.result(self.peer.send("noop", 7))
        seconds = time.perf_counter() - started
        assert value == 7, f"the result of noop(7) came back as {value!r}"
        return seconds


def stream(name: str, tasks: int) -> Iterator[Call]:
    """Tasks in order, a mark among each ``EVERY``; naps mark by themselves."""
    first = name if name in ("nap", "anap") else "mark"
    return ((name if number % EVERY else first, number) for number in range(tasks))


async def fill(client: Client, options: argparse.Namespace) -> Figures:
    """Send ``--tasks`` tasks, in bulk where ``--bulk`` and the peer has it. Messages per second."""
    send = client.in_bulk if options.bulk and client.has_bulk else client.one_by_one
    started = time.perf_counter()
    sent = await send(stream(options.task, options.tasks), started + options.seconds)
    return {"sent": sent, "rate": sent / (time.perf_counter() - started)}


async def trips(client: Client, options: argparse.Namespace) -> Figures:
    """Round trips for ``--seconds``, at most ``--tasks``, at least 5 and after 5 that are not counted."""
    chance = random.Random(1)
    for _ in range(5):
        await client.round_trip()
    seconds: list[float] = []
    until = time.perf_counter() + options.seconds
    while len(seconds) < options.tasks and (time.perf_counter() < until or len(seconds) < 5):
        time.sleep(PAUSE * (0.5 + chance.random()))
        seconds.append(await client.round_trip())
    return {"seconds": seconds}


async def calibrate(client: Client, options: argparse.Namespace) -> Figures:
    """How many loops a millisecond has, on this machine, in this Python."""
    loops, best = 20_000, 1.0
    for _ in range(100):
        started = time.perf_counter()
        work.turn(loops)
        best = min(best, time.perf_counter() - started)
    return {"loops": int(loops * 0.001 / best)}


async def describe(client: Client, options: argparse.Namespace) -> Figures:
    told = {"worker": client.peer.worker(), "bulk": client.has_bulk, "settings": inspect.getdoc(client.peer)}
    return {**told, "wide": getattr(client.peer, "WIDE", {})}


DOES: dict[str, Callable[[Client, argparse.Namespace], Any]] = {
    "fill": fill,
    "trips": trips,
    "calibrate": calibrate,
    "describe": describe,
}


async def act(client: Client, options: argparse.Namespace) -> Figures:
    connects = options.does in ("fill", "trips") and hasattr(client.peer, "session")
    async with client.peer.session() if connects else nullcontext():
        figures: Figures = await DOES[options.does](client, options)
    return figures


def run(client: Client, options: argparse.Namespace) -> Figures:
    """A peer that blocks is called outside of any event loop: its coroutine never waits, so one step ends it."""
    doing = act(client, options)
    if client.is_async:
        return asyncio.run(doing)
    try:
        doing.send(None)
    except StopIteration as end:
        figures: Figures = end.value
        return figures
    raise RuntimeError("a blocking peer's coroutine waited")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer")
    parser.add_argument("does", choices=DOES)
    parser.add_argument("--task", default="noop")
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--bulk", action="store_true")
    given = parser.parse_args()
    print(json.dumps(run(Client(importlib.import_module(f"peers.{given.peer}")), given)))
