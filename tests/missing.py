"""What tests need and this machine has not: they are skipped, a line at the end says so, and under ``CI`` they fail."""

import os
from collections import Counter
from typing import Any, NoReturn

import pytest

MARK = "CANNOT RUN HERE: "


def missing(advice: str) -> NoReturn:
    """End the test. ``advice`` says what is missing and where to get it."""
    if os.environ.get("CI"):
        pytest.fail(advice, pytrace=False)
    pytest.skip(MARK + advice)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say in one line each what was not tested."""
    reasons = [str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", []) if report.longrepr]
    for advice, count in Counter(reason.partition(MARK)[2] for reason in reasons if MARK in reason).items():
        terminalreporter.write_line(f"{count} TESTS DID NOT RUN: {advice}", red=True, bold=True)
