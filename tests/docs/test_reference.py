"""The reference of settings is what the table of settings says now."""

import runpy
from pathlib import Path
from typing import Any

from umbel.app.settings import Settings

ROOT = Path(__file__).parents[2]
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / ".ci" / "settings_reference.py"))


def test_the_reference_is_current() -> None:
    assert SCRIPT["PAGE"].read_text() == SCRIPT["page"](), "run `make reference`"


def test_the_reference_has_every_setting_with_both_defaults_and_its_unit() -> None:
    page = SCRIPT["page"]()
    assert [name for name in Settings.TABLE if f"### {name}\n" not in page and f"- `{name}`:" not in page] == []
    lease = page[page.index("### worker_lease\n") :].partition("\n### ")[0]
    assert "Default: `30.0`" in lease
    assert "Unit: seconds" in lease
    multiplier = page[page.index("### worker_prefetch_multiplier\n") :].partition("\n### ")[0]
    assert "Default: `None`; Celery's: `4`" in multiplier
