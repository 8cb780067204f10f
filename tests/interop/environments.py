"""Virtual environments with a real Celery, kept in ``.interop/`` and built from ``requirements/interop-*.txt``.

Built when first asked for (about ten seconds each), and again when the pins change.
"""

import fcntl
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

from tests.missing import missing

ROOT = Path(__file__).parent.parent.parent
VERSIONS = ("5.6.3", "5.7.0")
ADVICE = "no environment with a real Celery could be built: run `make interop` where the package index can be reached"


class CannotBuild(Exception):
    """pip said no."""


@cache
def python(version: str) -> Path:
    """The interpreter of the environment with this Celery. Raises ``CannotBuild``."""
    folder = ROOT / ".interop" / f"celery-{version}-py{sys.version_info.major}.{sys.version_info.minor}"
    pins = ROOT / "requirements" / f"interop-{version}.txt"
    built = folder / "pins.txt"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not built.exists() or built.read_text() != pins.read_text():
            _build(folder, pins)
            built.write_text(pins.read_text())
    return folder / "bin" / "python"


def _build(folder: Path, pins: Path) -> None:
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(pins)]
    run = subprocess.run(pip, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if run.returncode:
        raise CannotBuild(f"{ADVICE}; pip said: {run.stderr.strip()[-500:]}")


def need(version: str) -> Path:
    """The interpreter, or the end of the test that needs it."""
    try:
        return python(version)
    except CannotBuild as exc:
        missing(str(exc))
    except (OSError, subprocess.SubprocessError) as exc:
        missing(f"{ADVICE}; {exc}")
