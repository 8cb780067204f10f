"""``umbel`` alone, its help, and its global options."""

from pathlib import Path

import click
import pytest

from tests.cli.conftest import Run
from umbel.cli.group import COMMANDS
from umbel.cli.session import run


def test_alone_it_says_six_lines_with_three_commands_to_try(umbel: Run) -> None:
    done = umbel()
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert len(lines) == 6
    assert sum(line.startswith("  umbel ") for line in lines) == 3


def test_help_lists_every_command(umbel: Run) -> None:
    done = umbel("--help")
    assert done.returncode == 0
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(umbel: Run, name: str) -> None:
    done = umbel(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: umbel {name}" in done.stdout


def test_version(umbel: Run) -> None:
    assert umbel("--version").stdout[0].isdigit()


def test_a_mistyped_command_is_one_line(umbel: Run) -> None:
    done = umbel("wrker")
    assert done.returncode == 2
    assert done.stderr == "umbel: there is no command 'wrker'; did you mean 'worker'?\n"


@pytest.mark.parametrize("words", [("-A", "tasks", "tasks", "--json"), ("tasks", "--json", "-A", "tasks")])
def test_global_options_stand_before_or_after_the_command(umbel: Run, tasks: object, words: tuple[str, ...]) -> None:
    done = umbel(*words)
    assert done.returncode == 0, done.stderr
    assert '"tasks.add"' in done.stdout


@pytest.mark.parametrize("name", ["UMBEL_APP", "APP"])
def test_the_environment_names_the_app(umbel: Run, tasks: object, name: str) -> None:
    assert "tasks.add" in umbel("tasks", **{name: "tasks"}).stdout


def test_workdir_goes_there_first(umbel: Run, tasks: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "others.py").write_text(
        "from umbel import Umbel\napp = Umbel('others')\n@app.task\ndef f() -> None: ...\n"
    )
    assert "others.f" in umbel("tasks", "-A", "others", "--workdir", str(elsewhere)).stdout


def test_celerys_skip_checks_is_accepted(umbel: Run, tasks: object) -> None:
    assert umbel("--skip-checks", "-A", "tasks", "tasks").returncode == 0


def test_ctrl_c_while_the_command_line_is_still_loading(umbel: Run, folder: Path) -> None:
    (folder / "click.py").write_text("raise KeyboardInterrupt\n")
    done = umbel("tasks", PYTHONPATH=str(folder))
    assert (done.returncode, done.stderr) == (130, "stopped\n")


def test_an_argument_that_is_no_text_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    @click.argument("id")
    def store(id: str) -> None:
        id.encode()

    assert run(store, ["a\udcffb"]) == 2
    assert capsys.readouterr().err == "umbel: 'a\\udcffb' is no text: UTF-8 cannot hold it\n"
