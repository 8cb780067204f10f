"""Hold the public doors to complete types: ``pyright --verifytypes``, of which only what users import counts.

Pyright takes every module without a leading underscore for public. Users import the doors; what those export, and what
belongs to it, must have no unknown type, and nothing of unknown type may be reached through it. A type that pyright
infers (``conf = Config(...)``) is known: it calls that ambiguous, and users see the same type as we do.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOORS = ("umbel", "umbel.exceptions", "umbel.signals", "umbel.states")


def public_names() -> Iterator[str]:
    """Where the names of the doors are defined, as ``module.name``."""
    for door in DOORS:
        module = importlib.import_module(door)
        for name in module.__all__:
            value = getattr(module, name)
            home = getattr(value, "__module__", None)
            yield f"{home}.{value.__qualname__}" if home and hasattr(value, "__qualname__") else f"{door}.{name}"


def symbols() -> list[dict[str, Any]]:
    """What pyright says of every symbol. It does not read .pth files: it is told where to look."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pyright = Path(sys.executable).with_name("pyright")
    line = [str(pyright), "--verifytypes", "umbel", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
    if not done.stdout.startswith("{"):
        sys.exit(f"pyright did not run: {done.stdout}{done.stderr}")
    found: list[dict[str, Any]] = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    return found


def main() -> int:
    """Print what is not known; the status says whether there is any."""
    names = tuple(public_names())
    checked, unknown = 0, []
    for symbol in symbols():
        if any(symbol["name"] == name or symbol["name"].startswith(f"{name}.") for name in names):
            checked += 1
            if not symbol["isTypeKnown"] and not symbol["isTypeAmbiguous"]:
                said = " ".join(said["message"].splitlines()[0] for said in symbol["diagnostics"])
                unknown.append(f"{symbol['name']}: {said or 'something that it holds has an unknown type'}")
    print("\n".join(unknown) or f"Every type is known of {checked} public names")  # noqa: T201  a script prints
    return 1 if unknown or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
