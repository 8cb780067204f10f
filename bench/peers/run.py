"""Umbel beside its peers on one private Redis: ``make bench-peers``. Prints every figure, writes bench/PEERS.md.

All take turns, measure by measure, and each round begins with another one, so that a noisy minute hits all alike.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parents[1]
# This package and the servers that the tests start, in place of this folder, whose names are those of the peers.
sys.path[0:1] = [str(BENCH), str(BENCH.parent)]

from peers import deep, page  # noqa: E402
from peers.environment import FOLDER  # noqa: E402
from peers.measures import Bench, Figures, PeerFailed  # noqa: E402
from tests.servers import RedisServer  # noqa: E402

PEERS = ("umbel", "celery", "celery_solo", "dramatiq", "taskiq", "huey", "rq", "arq", "saq", "streaq")

MEASURES: dict[str, Callable[[Bench, str], Figures]] = {
    "enqueue": lambda bench, peer: bench.enqueue(peer, bulk=False),
    "bulk": lambda bench, peer: bench.enqueue(peer, bulk=True),
    "drain": lambda bench, peer: bench.drain(peer, results=False),
    "drain-results": lambda bench, peer: bench.drain(peer, results=True),
    "idle": lambda bench, peer: bench.idle(peer),
    "spin": lambda bench, peer: bench.spin(peer),
    "io": lambda bench, peer: bench.io(peer),
}
SHORT = "enqueue,drain-results,idle"
LIMIT: dict[str, Callable[[Bench], Figures]] = {
    "drain": lambda bench: bench.limit(results=False),
    "drain-results": lambda bench: bench.limit(results=True),
}


def rounds(bench: Bench, names: list[str], measures: list[str], count: int) -> tuple[page.Runs, dict[str, str]]:
    """The figures of every round, and why a peer has none for a measure."""
    runs: page.Runs = {}
    failed: dict[str, str] = {}
    for number in range(count):
        turn = names[number % len(names) :] + names[: number % len(names)]
        for measure in measures:
            for name in [*(["limit"] if measure in LIMIT else []), *turn]:
                if f"{name} {measure}" in failed:
                    continue
                try:
                    figures = LIMIT[measure](bench) if name == "limit" else MEASURES[measure](bench, name)
                except (PeerFailed, TimeoutError) as exc:
                    failed[f"{name} {measure}"] = str(exc)
                    print(f"round {number + 1} of {count}  {name:<12} {measure}: FAILED: {exc}", flush=True)
                    continue
                for figure, value in figures.items():
                    runs.setdefault(name, {}).setdefault(figure, []).append(value)
                if figures:
                    shown = ", ".join(f"{figure} {page.shown(figure, value)}" for figure, value in figures.items())
                    print(f"round {number + 1} of {count}  {name:<12} {shown}", flush=True)
    return runs, failed


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each measurement lasts")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated")
    parser.add_argument("--measures", help=f"comma-separated, of {','.join(MEASURES)}")
    parser.add_argument(
        "--backlog", action="store_true", help="Umbel with 1,000,000 messages waiting and delayed instead"
    )
    parser.add_argument(
        "--consumers", action="store_true", help="Redis CPU with 1 to 200 idle consumers of Umbel instead"
    )
    parser.add_argument("--many", type=int, default=1_000_000, help="how many --backlog puts there")
    parser.add_argument("--short", action="store_true", help="about a minute: whether it works, not how fast")
    parser.add_argument("--out", type=Path, default=BENCH / "PEERS.md")
    parser.add_argument(
        "--figures", type=Path, default=FOLDER / "figures.json", help="where figures are kept between runs"
    )
    given = parser.parse_args()
    if given.short:
        given.seconds, given.rounds = 0.2, 1
    given.measures = (given.measures or (SHORT if given.short else ",".join(MEASURES))).split(",")
    given.peers = given.peers.split(",")
    return given


def main() -> None:
    given = options()
    figures: dict[str, Any] = page.kept(given.figures)
    with tempfile.TemporaryDirectory(prefix="umbel-peers-") as folder:
        server = RedisServer(Path(folder, "redis")).start()
        try:
            bench = Bench(server, Path(folder), seconds=given.seconds, short=given.short)
            if given.backlog:
                figures["backlog"] = deep.backlog(bench, 2_000 if given.short else given.many)
            elif given.consumers:
                figures["consumers"] = deep.consumers(bench)
            else:
                runs, failed = rounds(bench, given.peers, given.measures, given.rounds)
                settings = {name: bench.describe(name)["settings"] for name in given.peers}
                span = f"{given.rounds} rounds of {given.seconds:g} s"
                taken = dict.fromkeys(given.measures, span)
                told = {"taken": taken, "machine": page.machine(bench)}
                now = {"runs": runs, "failed": failed, "settings": settings, **told}
                figures["peers"] = page.merged(figures.get("peers"), now)
        finally:
            server.kill()
    page.keep(given.figures, figures)
    given.out.write_text(page.written(figures))
    print(f"written to {given.out}")
    sys.exit(1 if figures.get("peers", {}).get("failed") else 0)


if __name__ == "__main__":
    main()
