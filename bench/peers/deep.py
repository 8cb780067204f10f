"""What is measured of Umbel alone: a million messages waiting or delayed, and hundreds of idle consumers."""

import json
import subprocess
import time
from typing import Any

from peers import machine
from peers.environment import BENCH, path_of
from peers.measures import Bench
from peers.work import EVERY

FEW = 1_000
IDLE = (1, 10, 50, 200)
FEED = 200
"""Messages a second while consumers are idle."""

BACKLOG = """
## Umbel with a backlog

| | {few:,} | {many:,} | ratio |
|---|---:|---:|---:|
{rows}

*Claim*: 64 messages through the port, settled and put back outside of the time taken. *Setting aside*: tasks that are
due in two hours lie in the list among the others, as Celery puts them there; a worker takes them out and parks them.
*Drain* and *memory* (proportional set size of a worker that has just run a task) are measured with so many set aside.
"""

CONSUMERS = """
## Redis, and Umbel's idle consumers

| idle consumers | Redis CPU per message, µs | of that with one | commands per message |
|---:|---:|---:|---:|
{rows}

{feed} messages a second, one by one, for {seconds:g} s; the consumers are simulated: each has a connection, a lease
and a place in the register of its own, all in one process, and takes, settles and waits as a worker does.
"""


def backlog(bench: Bench, many: int) -> dict[str, Any]:
    """What a claim costs with 1,000 and with ``many`` waiting; setting aside, drain and memory with so many delayed."""
    claim, aside, drain, memory = [], [], [], []
    for count in (FEW, many):
        bench.clear("umbel")
        bench.client("umbel", "fill", "--tasks", str(count), "--bulk")
        claim.append(bench.figures_of("umbel", "peers.claims", "claim", "--seconds", str(bench.seconds))["claim"])
        print(f"{count:,} waiting: {claim[-1]:.0f} µs per claim of 64", flush=True)
    for count in (FEW, many):
        aside.append(set_aside(bench, count))
        drain.append(drained_beside(bench))
        memory.append(memory_beside(bench))
        print(
            f"{count:,} delayed: drain {drain[-1]:,.0f}/s, worker {memory[-1]:.1f} MB",
            flush=True,
        )
    rows = [
        f"| claim of 64, µs | {claim[0]:.0f} | {claim[1]:.0f} | {claim[1] / claim[0]:.2f} |",
        f"| setting aside, tasks/s | | {aside[1]:,.0f} | |",  # a thousand are over before the first look
        f"| drain beside delayed tasks, tasks/s | {drain[0]:,.0f} | {drain[1]:,.0f} | {drain[1] / drain[0]:.2f} |",
        f"| memory of an idle worker, MB | {memory[0]:.1f} | {memory[1]:.1f} | {memory[1] / memory[0]:.2f} |",
    ]
    return {"page": BACKLOG.format(few=FEW, many=many, rows="\n".join(rows))}


def set_aside(bench: Bench, delayed: int) -> float:
    """Tasks per second that one worker takes out of the queue, because they are not due for hours."""
    bench.clear("umbel")
    bench.figures_of("umbel", "peers.claims", "delay", "--count", str(delayed))
    bench.client("umbel", "fill", "--tasks", "1")
    with bench.worker("umbel", results=False):
        machine.until(lambda: bench.redis.exists("umbel:delayed"), "the first to be set aside")
        started = time.monotonic()
        machine.until(lambda: bench.passed("umbel"), f"{delayed} tasks to be set aside", 60 + delayed / 200)
        spent = time.monotonic() - started
        machine.until(lambda: survey(bench)["delayed"] == delayed, f"{delayed} delayed tasks", 30)
    return delayed / spent


def survey(bench: Bench) -> dict[str, Any]:
    return bench.figures_of("umbel", "peers.claims", "survey")


def drained_beside(bench: Bench) -> float:
    """Tasks per second of a worker with what was set aside. It stays for the next look."""
    bench.marks_of("umbel").unlink()
    tasks = 8 * EVERY if bench.short else int(40_000 * bench.seconds)
    bench.client("umbel", "fill", "--tasks", str(tasks), "--bulk")
    return bench.rate("umbel", results=False, tasks=tasks, seconds=bench.seconds)


def memory_beside(bench: Bench) -> float:
    bench.marks_of("umbel").unlink()
    bench.client("umbel", "fill", "--tasks", "1")
    with bench.worker("umbel", results=False) as process:
        machine.until(lambda: bench.passed("umbel"), "its first task")
        time.sleep(0.3 if bench.short else 5.0)
        return machine.pss(process.pid)


def consumers(bench: Bench) -> dict[str, Any]:
    """Redis CPU per message with 1 to 200 idle consumers."""
    counts = IDLE[:2] if bench.short else IDLE
    spent = [beside(bench, count) for count in counts]
    rows = [
        f"| {count} | {cpu:.0f} | {cpu / spent[0][0]:.2f} | {commands:.1f} |"
        for count, (cpu, commands) in zip(counts, spent, strict=True)
    ]
    return {"page": CONSUMERS.format(rows="\n".join(rows), feed=FEED, seconds=bench.seconds)}


def beside(bench: Bench, count: int) -> tuple[float, float]:
    """Microseconds of Redis CPU per message, and commands, while ``count`` consumers share the work."""
    bench.clear("umbel")
    line = [str(path_of("umbel") / "python"), "-m", "peers.claims", "consume", "--count", str(count)]
    line = machine.ahead(line, bench.realtime)
    told = bench.environment("umbel", results=False)
    pipe = subprocess.PIPE
    with subprocess.Popen(line, cwd=BENCH, env=told, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            before = machine.cpu(bench.redis), machine.commands(bench.redis)
            words = ["feed", "--count", str(FEED), "--seconds", str(bench.seconds)]
            sent = bench.figures_of("umbel", "peers.claims", *words)["sent"]
            after = machine.cpu(bench.redis), machine.commands(bench.redis)
            process.stdin.close()
            taken = json.loads(process.stdout.readline())["taken"]
        finally:
            process.kill()
    assert taken == sent, f"{sent} messages were sent and {taken} taken"
    cpu, commands = 1e6 * (after[0] - before[0]) / sent, (after[1] - before[1]) / sent
    print(f"{count} consumers: {cpu:.0f} µs of Redis CPU and {commands:.1f} commands per message", flush=True)
    return cpu, commands
