"""The environments of the peers: built once, from pinned names, beside the package and not inside of it."""

import fcntl
import functools
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
BENCH = HERE.parent
ROOT = BENCH.parent
FOLDER = ROOT / ".bench"
PINS = {"arq": HERE / "pins_arq.txt"}
"""The peers that have an environment of their own."""
ALL_OTHERS = HERE / "pins.txt"


@functools.cache
def path_of(peer: str) -> Path:
    """The folder with the programs of a peer's environment; it is built if it is not there or not up to date."""
    pins = PINS.get(peer, ALL_OTHERS)
    folder = FOLDER / pins.stem
    stamp = folder / "built"
    wanted = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one builds, whoever else runs beside it waits
        if not stamp.exists() or stamp.read_text() != wanted:
            print(f"building {folder} (once, about a minute)", flush=True)
            build(folder, pins)
            stamp.write_text(wanted)
    return folder / "bin"


def build(folder: Path, pins: Path) -> None:
    venv.create(folder, clear=True, with_pip=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    lines = [[*pip, "-r", str(pins)]]
    if pins == ALL_OTHERS:
        lines.append([*pip, "--no-deps", "-e", str(ROOT)])
    for line in lines:
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(line)}\n{done.stderr}")


def variables(peer: str, **values: object) -> dict[str, str]:
    """The environment of a peer's processes. Nothing of this one's settings for Umbel or Celery goes in."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("UMBEL_", "CELERY_", "PYTHON"))}
    own["PATH"] = f"{path_of(peer)}{os.pathsep}{own.get('PATH', '')}"
    own["PYTHONPATH"] = str(BENCH)
    own["VIRTUAL_ENV"] = str(path_of(peer).parent)
    return own | {name: str(value) for name, value in values.items()}
