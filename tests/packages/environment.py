"""The environment of a user of Celery who installed Umbel: ``requirements/packages.txt``, and this tree's wheel.

Kept in ``.interop/``; the wheel is built and installed anew when the tree has changed.
"""

import hashlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.interop.environments import ROOT, CannotBuild, environment, install, needed

SOURCES = ("pyproject.toml", "README.md", "src")


def need() -> Path:
    """The folder of its programs (``bin``), or the end of the test that needs it."""
    return needed(programs)


@cache
def programs() -> Path:
    """The folder of its programs. Raises ``CannotBuild``."""
    with environment("packages", "packages.txt") as folder:
        stamp, now = folder / "wheel.txt", _digest()
        if not stamp.exists() or stamp.read_text() != now:
            stamp.unlink(missing_ok=True)
            install(folder, "--force-reinstall", "--no-compile", str(_wheel(folder / "wheel")))
            stamp.write_text(now)
        return folder / "bin"


def variables(bin: Path, **more: str) -> dict[str, str]:
    """The environment variables of somebody who works there, with the alias on."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {**inherited, "PATH": f"{bin}{os.pathsep}{os.environ['PATH']}", "UMBEL_AS_CELERY": "1", **more}


def _wheel(folder: Path) -> Path:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise CannotBuild(f"the wheel cannot be built: {done.stderr.strip()[-500:]}")
    (wheel,) = folder.glob("umbel-*.whl")
    return wheel


def _digest() -> str:
    """Says whether the tree has changed."""
    found = hashlib.sha256()
    for source in SOURCES:
        paths = [ROOT / source, *sorted((ROOT / source).rglob("*"))]
        for path in paths:
            if path.is_file() and path.suffix != ".pyc":
                found.update(str(path).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
