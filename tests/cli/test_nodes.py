"""The grammar of ``umbel multi``: which nodes are meant, and the command line of each."""

import shlex

import click
import pytest

from umbel.cli.nodes import Node, nodes, parse


def made(text: str) -> list[Node]:
    return nodes(parse(shlex.split(text)), module="umbel")


def named(text: str) -> list[str]:
    return [node.name for node in made(f"{text} --suffix=box")]


def option(text: str, name: str) -> list[str | None]:
    """What each node has for an option."""
    return [node.options.get(name) for node in made(text)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a b", ["a@box", "b@box"]),
        ("3", ["celery1@box", "celery2@box", "celery3@box"]),
        ("3 a", ["3@box", "a@box"]),
        ("1-3", ["1-3@box"]),
        ("2 --range-prefix=w", ["w1@box", "w2@box"]),
        ("a --prefix=x", ["xa@box"]),
        ("a@there b", ["a@there", "b@box"]),
        ("0", []),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    assert named(text) == names


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("a -n there", "there"),
        ("a --hostname=there", "there"),
        ("a -n there --suffix=s", "s"),
        ("a --suffix='\"\"'", ""),
    ],
)
def test_the_host_of_a_name(text: str, host: str) -> None:
    assert [node.name for node in made(text)] == [f"a@{host}"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a b c -c 3", ["3", "3", "3"]),
        ("a b c -c 3 -c:b 10", ["3", "10", "3"]),
        ("a b c -c 3 -c:1,3 10", ["10", "3", "10"]),
        ("a b c -c 3 -c:2-3 10", ["3", "10", "10"]),
        ("5 -c 3 -c:1-3 10", ["10", "10", "10", "3", "3"]),
        ("2 -c:1-5 10", ["10", "10"]),
        ("a b -c:b@box,a 10 --suffix=box", ["10", "10"]),
        ("a -c:elsewhere 10", [None]),
        ("2 -c:celery2 9", [None, "9"]),
        ("-c 3 a", ["3"]),
    ],
)
def test_options_of_all_and_of_some(text: str, values: list[str | None]) -> None:
    assert option(text, "-c") == values


def test_a_long_option_has_its_value_after_an_equals_sign() -> None:
    assert option("a b --loglevel:b=DEBUG --loglevel=INFO", "--loglevel") == ["INFO", "DEBUG"]
    assert [node.name.partition("@")[0] for node in made("a --purge b")] == ["a", "b"]


def test_a_short_flag_takes_no_word() -> None:
    assert [node.name.partition("@")[0] for node in made("-E a -c3 b -Ofair c -B")] == ["a", "b", "c"]


@pytest.mark.parametrize("where", ["4", "4-5", "0"])
def test_a_place_that_is_not_in_the_list_is_refused(where: str) -> None:
    with pytest.raises(click.UsageError, match=f"there is no node {where[0]}: there are 3"):
        made(f"a b c -c:{where} 1")


def test_files_have_the_nodes_name_and_leave_the_processs_number_to_the_worker() -> None:
    node = made("a --suffix=box --pidfile=/run/%n-%h.pid -f ~/log/%n%I.log")[0]
    assert node.pid_path == "/run/a-a@box.pid"
    assert node.options["--logfile"] == "~/log/a%I.log"
    assert [folder.rpartition("/")[2] for folder in node.folders] == ["run", "log"]
    assert (made("a")[0].pid_path, made("a")[0].options["--logfile"]) == (
        "/var/run/celery/a.pid",
        "/var/log/celery/a%I.log",
    )
    assert node.expand("%n %h %d %p %N %% %i %I %z") == "a a@box box a@box a % %i %I %z"


def test_a_command_line() -> None:
    line = shlex.join(
        made(
            "a --suffix=box -A proj --workdir=/srv -q -Q x,y --uid=u --executable=/py --append='--log-format json' "
            "--pidfile=/run/%n.pid --logfile=/log -- task.time_limit=3"
        )[0].arguments()
    )
    assert line == (
        "-m umbel -A proj --workdir=/srv -q worker --detach -Q x,y --uid=u --executable=/py -n a@box "
        "--pidfile=/run/a.pid --logfile=/log -- task.time_limit=3 --log-format json"
    )


def test_another_command() -> None:
    node = made("a --cmd='manage.py celery worker -D' -A proj")[0]
    assert node.arguments()[:6] == ["manage.py", "celery", "-A", "proj", "worker", "-D"]
    with pytest.raises(click.UsageError, match="the word celery must be in it"):
        made("a --cmd='other worker'")[0].arguments()
