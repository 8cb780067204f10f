"""Virtual environments with a real Celery, kept in ``.interop/`` and built from ``requirements/*.txt``.

Built when first asked for (about ten seconds each), and again when the pins change. The pins are complete, so that pip
has nothing to find out.
"""

import fcntl
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    with environment(f"celery-{version}", f"interop-{version}.txt") as folder:
        return folder / "bin" / "python"


@contextmanager
def environment(name: str, requirements: str) -> Iterator[Path]:
    """The folder of an environment with what ``requirements`` pins, locked meanwhile. Raises ``CannotBuild``."""
    folder = ROOT / ".interop" / f"{name}-py{sys.version_info.major}.{sys.version_info.minor}"
    pins = (ROOT / "requirements" / requirements).read_text()
    built = folder / "pins.txt"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not built.exists() or built.read_text() != pins:
            venv.create(folder, with_pip=True)
            install(folder, "-r", str(ROOT / "requirements" / requirements))
            built.write_text(pins)
        yield folder


def install(folder: Path, *arguments: str) -> None:
    """pip, in the environment of this folder. Raises ``CannotBuild``."""
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
    run = subprocess.run([*pip, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if run.returncode:
        raise CannotBuild(f"{ADVICE}; pip said: {run.stderr.strip()[-500:]}")


def need(version: str) -> Path:
    """The interpreter, or the end of the test that needs it."""
    return needed(lambda: python(version))


def needed(build: Callable[[], Path]) -> Path:
    """What ``build`` returns, or the end of the test that needs it."""
    try:
        return build()
    except CannotBuild as exc:
        missing(str(exc))
    except (OSError, subprocess.SubprocessError) as exc:
        missing(f"{ADVICE}; {exc}")
