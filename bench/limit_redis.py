"""The ceiling of one process on Redis: an I/O thread that never runs a task, a lane that never does I/O, nothing else.

It publishes elements in Celery's form, claims them by script, runs them, settles them in groups, with results (SETEX
and PUBLISH, as Celery stores them) or without, and prints tasks per second. Whatever a real worker needs beyond that is
missing: leases, wake-ups, retries, limits, signals, events, routing. ``bench/peers/run.py`` holds Umbel against it.
"""

import argparse
import asyncio
import base64
import collections
import datetime
import json
import queue
import threading
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import hiredis
import msgspec

BATCH = 64
"""Messages that are asked for at once; as many more may lie in the lane's hand."""
NUDGE = 0.001
"""Seconds between two wake-ups of the I/O thread, so that what finishes in between is settled in one group."""

QUEUE, CLAIMS = "limit", "limit:claims"

# Take up to ARGV[1] elements and record each under its ticket, in one step: nothing is popped that is not claimed.
# The tickets are numbers of the caller, from ARGV[2] on.
CLAIM = """
local got = redis.call('LRANGE', KEYS[1], -tonumber(ARGV[1]), -1)
if #got == 0 then return got end
local fields = {}
for i = 1, #got do fields[2 * i - 1] = ARGV[2] + #got - i; fields[2 * i] = got[i] end
redis.call('HSET', KEYS[2], unpack(fields))
redis.call('LTRIM', KEYS[1], 0, -#got - 1)
return got
"""

encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
Command = tuple[Any, ...]


class Request(msgspec.Struct):
    ticket: int
    id: str
    name: str
    args: list[Any]
    kwargs: dict[str, Any]


class Outcome(msgspec.Struct):
    request: Request
    value: Any


def element(number: int) -> bytes:
    """One message as it lies in a list."""
    task_id = str(uuid.uuid4())
    headers: dict[str, Any] = {"lang": "py", "task": "noop", "id": task_id, "shadow": None, "eta": None}
    headers |= {"expires": None, "group": None, "group_index": None, "retries": 0, "timelimit": [None, None]}
    headers |= {"root_id": task_id, "parent_id": None, "argsrepr": f"({number},)", "kwargsrepr": "{}"}
    headers |= {"origin": "gen1@host", "ignore_result": False, "replaced_task_nesting": 0}
    headers |= {"stamped_headers": None, "stamps": {}}
    properties: dict[str, Any] = {"correlation_id": task_id, "reply_to": "r", "delivery_mode": 2, "priority": 0}
    properties |= {"delivery_tag": task_id, "delivery_info": {"exchange": "", "routing_key": "celery"}}
    body = [[number], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    envelope: dict[str, Any] = {"body": base64.b64encode(encode(body)).decode(), "content-encoding": "utf-8"}
    envelope |= {"content-type": "application/json", "headers": headers}
    return encode(envelope | {"properties": {**properties, "body_encoding": "base64"}})


def request(ticket: int, raw: bytes) -> Request:
    envelope = decode(raw)
    args, kwargs, _ = decode(base64.b64decode(envelope["body"]))
    return Request(ticket, envelope["headers"]["id"], envelope["headers"]["task"], args, kwargs)


def stored(outcome: Outcome) -> list[Command]:
    """The two commands of one result."""
    done = datetime.datetime.now(datetime.UTC).isoformat()
    meta = {"status": "SUCCESS", "result": outcome.value, "traceback": None, "children": [], "date_done": done}
    record = encode(meta | {"task_id": outcome.request.id})
    key = "celery-task-meta-" + outcome.request.id
    return [("SETEX", key, "86400", record), ("PUBLISH", key, record)]


class Connection(asyncio.Protocol):
    """Commands and their replies over one socket, many at a time."""

    def __init__(self) -> None:
        self.reader = hiredis.Reader()
        self.replies: list[Any] = []
        self.wanted = 0
        self.all_here: asyncio.Future[list[Any]] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.reader.feed(data)
        while (reply := self.reader.gets()) is not False:
            if isinstance(reply, Exception):
                raise reply
            self.replies.append(reply)
        if self.all_here is not None and len(self.replies) >= self.wanted:
            self.all_here.set_result(self.replies)
            self.replies, self.all_here = [], None

    def call(self, commands: list[Command]) -> asyncio.Future[list[Any]]:
        self.wanted, self.all_here = len(commands), asyncio.get_running_loop().create_future()
        self.transport.write(b"".join(hiredis.pack_command(command) for command in commands))
        return self.all_here


async def connect(url: str) -> Connection:
    place = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, place.hostname or "127.0.0.1", place.port or 6379)
    return connection


async def publish(url: str, tasks: int) -> float:
    """A hundred at a time. Messages per second."""
    redis = await connect(url)
    started = time.perf_counter()
    for first in range(0, tasks, 100):
        await redis.call([("LPUSH", QUEUE, element(number)) for number in range(first, min(first + 100, tasks))])
    rate = tasks / (time.perf_counter() - started)
    redis.transport.close()
    return rate


class Process:
    """One process: ``claim_and_settle`` on a thread, ``lane`` on the main thread, two queues in between."""

    def __init__(self, url: str, tasks: int, results: bool) -> None:
        self.url, self.tasks, self.results = url, tasks, results
        self.hand: queue.SimpleQueue[list[Request] | None] = queue.SimpleQueue()
        self.outcomes: collections.deque[Outcome] = collections.deque()
        self.sleeps = False
        self.left = -1

    def drain(self) -> float:
        """Tasks per second, from the first claim to the last settlement."""
        thread = threading.Thread(target=lambda: asyncio.run(self.claim_and_settle()))
        thread.start()
        self.lane({"noop": lambda number: number})
        thread.join()
        assert self.left == 0, f"{self.left} messages are left or still claimed"
        return self.tasks / self.seconds

    async def claim_and_settle(self) -> None:
        self.loop, self.wake = asyncio.get_running_loop(), asyncio.Event()
        redis = await connect(self.url)
        (script,) = await redis.call([("SCRIPT", "LOAD", CLAIM)])
        in_hand = settled = ticket = 0
        started = time.perf_counter()
        while settled < self.tasks:
            finished = [self.outcomes.popleft() for _ in range(len(self.outcomes))]
            commands = self.settle(finished)
            in_hand -= len(finished)
            settled += len(finished)
            asks = in_hand < BATCH and settled + in_hand < self.tasks
            if asks:
                commands.append(("EVALSHA", script, "2", QUEUE, CLAIMS, str(BATCH), str(ticket)))
            if commands:
                replies = await redis.call(commands)
                if asks:
                    claimed = [request(ticket + place, raw) for place, raw in enumerate(reversed(replies[-1]))]
                    ticket += len(claimed)
                    in_hand += len(claimed)
                    self.hand.put(claimed)
            self.sleeps = True
            if not self.outcomes and settled < self.tasks:
                await self.wake.wait()
            self.wake.clear()
            self.sleeps = False
        self.seconds = time.perf_counter() - started
        self.hand.put(None)
        self.left = sum(await redis.call([("LLEN", QUEUE), ("HLEN", CLAIMS)]))
        redis.transport.close()

    def settle(self, finished: list[Outcome]) -> list[Command]:
        if not finished:
            return []
        acknowledged = ("HDEL", CLAIMS, *(str(outcome.request.ticket) for outcome in finished))
        if not self.results:
            return [acknowledged]
        return [("MULTI",), *(command for outcome in finished for command in stored(outcome)), acknowledged, ("EXEC",)]

    def lane(self, tasks: dict[str, Any]) -> None:
        nudged = 0.0
        while (claimed := self.hand.get()) is not None:
            for each in claimed:
                self.outcomes.append(Outcome(each, tasks[each.name](*each.args, **each.kwargs)))
                if self.sleeps and time.perf_counter() - nudged > NUDGE:
                    nudged = self.nudge()
            nudged = self.nudge()

    def nudge(self) -> float:
        self.sleeps = False
        self.loop.call_soon_threadsafe(self.wake.set)
        return time.perf_counter()


def measure(url: str, tasks: int, results: bool) -> dict[str, float]:
    """Publish and drain one list, and make sure that nothing is left."""
    return {"publish": asyncio.run(publish(url, tasks)), "drain": Process(url, tasks, results).drain()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="redis://127.0.0.1:6379")
    parser.add_argument("--tasks", type=int, default=200_000)
    parser.add_argument("--results", action="store_true")
    options = parser.parse_args()
    print(json.dumps(measure(options.url, options.tasks, options.results)))
