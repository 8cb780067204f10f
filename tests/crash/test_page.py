"""The page of a run, and what a full run must have."""

import argparse
import json
from pathlib import Path
from typing import Any

from tests.crash.page import BEGIN, END, write
from tests.crash.run import kept_rows, shortfalls

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def row(lane: str, **changes: Any) -> dict[str, Any]:
    faults = {"kill-worker": 50, "exits": 20}
    counts = {"tasks": 4000, "idle": 1, "lost": 0, "duplicates": 7, "bound": 90, "recovery": 1.5, "raise": 0.0}
    return {"adapter": "redis", "lane": lane, "faults": faults, "seconds": 240, "problems": [], **counts, **changes}


def test_the_tables_stand_between_their_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):  # and it can be written again
        write(page, [row("threads"), row("solo", again=True)], seed=3, load=0.5, problems=0)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert "seed 3: 8,000 tasks, 140 faults" in text
    assert "ran again: redis solo." in text
    assert "| redis | threads | 4,000 | 70 | 0 | 7 | 90 | 1.50 s | none raised |" in text
    assert "| exits | 20 | 20 |" in text


def test_what_is_too_little_is_said() -> None:
    given = argparse.Namespace(least=5)
    assert shortfalls([row(f"lane{n}") for n in range(30)], given) == []
    few = row("solo", tasks=2999, faults={"exits": 61, "grows": 4})
    assert len(shortfalls([few], given)) == 3


def test_pairs_without_problems_need_not_run_again(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(row("threads")))
    (tmp_path / "b.json").write_text(json.dumps(row("solo", problems=["lost"])))
    assert [one["lane"] for one in kept_rows(tmp_path)] == ["threads"]


def test_the_page_in_the_documentation_has_the_markers() -> None:
    text = PAGE.read_text()
    assert text.count(BEGIN) == text.count(END) == 1
