"""``celery`` means Umbel: by a call, or by one variable; ahead of whatever else has that name, and never beside it."""

import importlib.metadata
from pathlib import Path

import pytest

from tests.celery.programs import refused, run, said
from umbel.celery.bin.celery import VERSION


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A folder with another ``celery`` and ``kombu`` in it, first on the path, of version 4.0."""
    for name in ("celery", "kombu"):
        (tmp_path / f"{name}.py").write_text("real = True\n")
        about = tmp_path / f"{name}-4.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 4.0\n")
    return tmp_path


def test_without_the_variable_celery_is_what_is_installed(real: Path) -> None:
    program = "import celery, importlib.metadata as m; print(celery.real, m.version('celery'))"
    assert said(real, program) == "True 4.0"


def test_with_the_variable_celery_is_umbels_ahead_of_the_path(real: Path) -> None:
    where = said(real, "import celery, kombu; print(celery.__file__, kombu.Queue.__module__)", alias=True)
    assert where.endswith("umbel/celery/__init__.py umbel.core.queues")


def test_the_call_does_what_the_variable_does(real: Path) -> None:
    program = (
        "import umbel; umbel.install_as_celery(); umbel.install_as_celery(); import celery; print(celery.__name__)"
    )
    assert said(real, program) == "umbel.celery"


def test_python_starts_without_loading_umbel(tmp_path: Path) -> None:
    assert (
        said(tmp_path, "import sys; print('umbel' in sys.modules, 'umbel_as_celery' in sys.modules)") == "False False"
    )
    assert said(tmp_path, "import sys; print('umbel' in sys.modules)", alias=True) == "False"


@pytest.mark.parametrize("first", ["celery.result", "umbel.celery.result"])
def test_a_module_is_one_object_under_both_names(tmp_path: Path, first: str) -> None:
    program = (
        f"import {first}, celery.result, umbel.celery.result as own, celery.utils.log\n"
        "assert celery.result is own and celery.result.AsyncResult is own.AsyncResult\n"
        "assert own.__spec__.name == own.__name__ == 'umbel.celery.result'\n"
        "from celery import schedules\n"
        "import umbel\n"
        "print(celery is umbel.celery, schedules is umbel.celery.schedules)"
    )
    assert said(tmp_path, program, alias=True) == "True True"


def test_the_distribution_answers_with_celerys_version(real: Path) -> None:
    program = (
        "import celery\n"
        "from importlib.metadata import version\n"
        "print(version('Celery') == celery.__version__, celery.version_info[0], version('kombu'), version('umbel'))"
    )
    assert said(real, program, alias=True) == f"True 5 4.0 {importlib.metadata.version('umbel')}"


@pytest.mark.parametrize("name", ["celery", "kombu"])
def test_real_celery_imported_before_is_refused_with_the_order(real: Path, name: str) -> None:
    line = refused(real, f"import {name}, umbel; umbel.install_as_celery()")
    assert line == (
        f"ImportError: {name} was imported before umbel.install_as_celery(): call install_as_celery() first, ahead of "
        "every import of celery or kombu, or set UMBEL_AS_CELERY=1"
    )


@pytest.mark.parametrize("statement", ["import celery.fixups", "from kombu.transport import redis"])
def test_a_module_that_is_not_offered_names_the_page(tmp_path: Path, statement: str) -> None:
    name = statement.split()[1]
    line = refused(tmp_path, statement, alias=True)
    assert (
        line == f"ModuleNotFoundError: {name} is not offered by Umbel; what is, and what to use instead: docs/celery.md"
    )


def test_python_m_celery_is_umbels_command_line(real: Path) -> None:
    done = run(real, "-m", "celery", "--version", alias=True)
    assert (done.returncode, done.stdout.strip()) == (0, VERSION), done.stderr


def test_celerys_own_script_runs_umbel(real: Path) -> None:
    program = "import sys; sys.argv[1:] = ['--version']; from celery.__main__ import main; sys.exit(main())"
    assert said(real, program, alias=True) == VERSION
