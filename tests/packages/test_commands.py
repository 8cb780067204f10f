"""An environment with ``celery[redis]`` and Umbel's wheel: one variable says which of the two every program runs."""

import subprocess
from pathlib import Path

import pytest

import umbel
from tests.packages import environment

FAMILY = """\
import multiprocessing, subprocess, sys
import celery, kombu

def where():
    import celery.result
    return celery.result.__file__

if __name__ == "__main__":
    print(celery.__file__, kombu.__file__)
    child = [sys.executable, "-c", "import celery; print(celery.__file__)"]
    print(subprocess.check_output(child, text=True).strip())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(where))
"""


def say(folder: Path, *command: str, alias: bool = True) -> str:
    """What a program of the environment prints; it must end well."""
    bin = environment.need()
    options = environment.variables(bin, UMBEL_AS_CELERY="1" if alias else "0")
    done = subprocess.run(
        [bin / command[0], *command[1:]], cwd=folder, env=options, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("alias", [True, False])
def test_the_variable_reaches_every_process(tmp_path: Path, alias: bool) -> None:
    (tmp_path / "family.py").write_text(FAMILY)
    files = say(tmp_path, "python", "family.py", alias=alias).split()
    assert len(files) == 4
    assert ["/umbel/celery/" in file for file in files] == [alias] * 4


def test_the_script_of_celery_is_umbels_command_line(tmp_path: Path) -> None:
    versions = [say(tmp_path, *command, "--version") for command in (["celery"], ["python", "-m", "celery"])]
    assert [umbel.__version__ in version for version in versions] == [True, True]
    assert say(tmp_path, "celery", "--version", alias=False).startswith("5.7.0")


def test_packages_that_ask_for_celerys_version_hear_one_they_know(tmp_path: Path) -> None:
    program = "from importlib.metadata import version; import celery; print(version('celery'), celery.__version__)"
    assert say(tmp_path, "python", "-c", program) == "5.7.0 5.7.0"


def test_batches_cannot_be_had(tmp_path: Path) -> None:
    program = "try:\n    import celery_batches\nexcept ImportError as error:\n    print(error)"
    assert "is not offered by Umbel; what is, and what to use instead: docs/celery.md" in say(
        tmp_path, "python", "-c", program
    )
