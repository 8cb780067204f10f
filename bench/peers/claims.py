"""Umbel's broker without its worker, run in the environment of the peers: what a claim costs, and what waiting costs.

It claims and settles through the port of ``umbel.broker.base``, and prints one line of JSON.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from typing import Any

from peers import umbel, work
from umbel.broker.base import Broker, Consumer
from umbel.broker.lookup import open_broker
from umbel.core.delivery import Ack, ConsumerId, Settlement, Want

QUEUE = "celery"
AT_ONCE = 64
LEASE = 30.0
HOURS_AHEAD = 7200.0


def consumer(broker: Broker) -> Consumer:
    return broker.consumer(ConsumerId(os.urandom(16).hex()), node="bench", queues=[QUEUE])


def acks(deliveries: list[Any]) -> list[Settlement]:
    return [Settlement(delivery.ticket, Ack()) for delivery in deliveries]


async def claim(options: argparse.Namespace) -> dict[str, float]:
    """Microseconds per claim of ``AT_ONCE`` messages, settled and put back outside of the time that is taken."""
    broker = open_broker(work.REDIS)
    one = consumer(broker)
    await one.open(lease=LEASE, width=1)
    spent, claims = 0.0, 0
    until = time.perf_counter() + options.seconds
    while time.perf_counter() < until or claims < 20:
        started = time.perf_counter()
        turn = await one.exchange([], Want((QUEUE,), AT_ONCE))
        spent += time.perf_counter() - started
        claims += 1
        assert len(turn.deliveries) == AT_ONCE, f"claimed {len(turn.deliveries)} of {AT_ONCE}"
        umbel.send_many([("noop", number) for number in range(AT_ONCE)])
        await one.exchange(acks(turn.deliveries), Want((), 0))
    await one.close()
    return {"claim": 1e6 * spent / claims, "claims": claims}


async def delay(options: argparse.Namespace) -> dict[str, float]:
    """Enqueue ``--count`` tasks that are due in two hours. Messages per second."""
    started = time.perf_counter()
    for first in range(0, options.count, 1000):
        with umbel.app.bulk():
            for number in range(first, min(first + 1000, options.count)):
                umbel.TASKS["noop"].apply_async((number,), countdown=HOURS_AHEAD)
    return {"delay": options.count / (time.perf_counter() - started)}


async def survey(options: argparse.Namespace) -> dict[str, float]:
    """What is in the queue, as an operator is told."""
    producer = open_broker(work.REDIS).sync_producer()
    (depth,) = producer.survey([QUEUE])
    producer.close()
    return {"ready": depth.ready, "delayed": depth.delayed, "claimed": depth.claimed}


async def consume(options: argparse.Namespace) -> dict[str, float]:
    """``--count`` consumers that wait, take what comes and settle it, until the standard input ends."""
    broker = open_broker(work.REDIS)
    all_of_them = [consumer(broker) for _ in range(options.count)]
    for one in all_of_them:
        await one.open(lease=LEASE, width=1)
    print("ready", flush=True)
    ended = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
    taken = await asyncio.gather(*(take(one, ended) for one in all_of_them))
    for one in all_of_them:
        await one.close()
    return {"taken": sum(taken)}


async def take(one: Consumer, ended: asyncio.Future[str]) -> int:
    taken, settled = 0, acks([])
    while True:
        last = ended.done()
        turn = await one.exchange(settled, Want((QUEUE,), AT_ONCE))
        taken, settled = taken + len(turn.deliveries), acks(turn.deliveries)
        if turn.deliveries:
            continue
        if last:
            return taken
        arrival = asyncio.ensure_future(one.wait(LEASE / 3))
        waits: set[asyncio.Future[Any]] = {arrival, ended}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        arrival.cancel()
        await asyncio.gather(arrival, return_exceptions=True)


async def feed(options: argparse.Namespace) -> dict[str, float]:
    """``--count`` messages a second, one by one and evenly, for ``--seconds``."""
    started, sent = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < options.seconds:
        if sent <= passed * options.count:
            umbel.send("noop", sent)
            sent += 1
        else:
            await asyncio.sleep(sent / options.count - passed)
    return {"sent": sent}


DOES = {"claim": claim, "delay": delay, "survey": survey, "consume": consume, "feed": feed}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("does", choices=DOES)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(DOES[given.does](given))))
