"""The importable name of a module, and the place of an application on disk. Looks at files; imports nothing.

A script run directly has the module name ``__main__``, under which no worker can import it. Its tasks are named, and
its database is placed, as if it had been imported.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def importable(module: str, namespace: Mapping[str, Any] | None = None) -> str | None:
    """``module``, or for ``__main__`` the name it can be imported by; None where there is none (a prompt, ``-c``)."""
    if module != "__main__":
        return module
    if namespace is None:
        namespace = vars(sys.modules["__main__"])
    spec = namespace.get("__spec__")
    if spec is not None:  # python -m package.module
        return str(spec.name)
    path = script(namespace)
    if path is None:
        return None
    names = [path.stem]
    for package in packages_of(path):
        names.insert(0, package.name)
    return ".".join(names)


def script(namespace: Mapping[str, Any]) -> Path | None:
    """The file of the module with this namespace, if it is one."""
    name = namespace.get("__file__")
    if not name or str(name).startswith("<"):
        return None
    path = Path(os.path.abspath(name))  # noqa: PTH100  takes .. out and leaves symbolic links alone, unlike resolve()
    return path if path.is_file() else None


def packages_of(path: Path) -> list[Path]:
    """The package folders (those with ``__init__.py``) around a file, innermost first."""
    found = []
    folder = path.parent
    while (folder / "__init__.py").is_file():
        found.append(folder)
        folder = folder.parent
    return found


def home(namespace: Mapping[str, Any]) -> Path:
    """The folder beside the top package or module of this namespace; at a prompt, the current one."""
    path = script(namespace)
    if path is None:
        return Path.cwd()
    packages = packages_of(path)
    return packages[-1].parent if packages else path.parent
