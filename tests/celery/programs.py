"""Runs small programs in a Python of their own, with the alias on or off, where nothing is imported yet."""

import os
import subprocess
import sys
from pathlib import Path


def run(folder: Path, *arguments: str, alias: bool) -> subprocess.CompletedProcess[str]:
    """``python ARGUMENTS`` in ``folder``, which stands first on the path; warnings are errors."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "UMBEL_AS_CELERY": "1" if alias else "0"}
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def said(folder: Path, program: str, *, alias: bool = False) -> str:
    """What the program prints; it must succeed."""
    done = run(folder, "-c", program, alias=alias)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def refused(folder: Path, program: str, *, alias: bool = False) -> str:
    """The last line of the error that ends the program."""
    done = run(folder, "-c", program, alias=alias)
    assert done.returncode == 1, done.stdout
    return done.stderr.strip().rpartition("\n")[2]
