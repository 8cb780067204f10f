"""``multi`` of Umbel and of a real Celery mean the same nodes by the same words."""

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.interop.environments import need
from umbel.celery.bin.celery import CELERY, celery
from umbel.cli.session import run

FILES = "--pidfile={folder}/run/%n.pid --logfile={folder}/log/%n%I.log"
LINES = [
    "show 3 -c 3 -c:1 10 -l INFO {files}",
    "show 5 -c 3 -c:1-3 10 -P:5 solo {files}",
    "show image video data@x.example -c 3 -c:image,data 10 -Q:2 video {files}",
    "show a b@%h -A proj --workdir=/tmp -b redis://x --result-backend=redis://y -C --uid=u -E {files}",
    "show 2 --range-prefix=w --suffix=there -Q q {files} -- .concurrency=3",
    "get b@there a b --suffix=there {files}",
    "names 3 {files}",
    "names a b 2 --range-prefix=w --suffix=hh {files}",
    "names a-b --prefix=x {files}",
    "names 1-3 {files}",
    "names 2 --hostname=worker.example.com {files}",
    "names 2 -n %n.example.com {files}",
    "expand '%n %h %d %p %N %% %i %I' a b@x.y {files}",
    "expand '%n' 2 --range-prefix=p {files}",
]


def words_of(said: str) -> list[list[str]]:
    """Lines as words in no order: Celery's options stand in another one. The program itself has another name."""
    known = {"celery", "umbel.celery"}
    lines = [[word for word in shlex.split(line) if word not in known] for line in said.splitlines()]
    return [sorted(word for word in line if "bin/python" not in word) for line in lines if line]


@pytest.mark.parametrize("version", ["5.7.0"])
def test_the_same_words_mean_the_same_nodes(version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = FILES.format(folder=tmp_path)
    lines = [line.format(files=files) for line in LINES]
    program = [str(need(version)), str(Path(__file__).with_name("multi.py"))]
    said = subprocess.run(program, input="\n".join(lines), capture_output=True, text=True, check=True).stdout
    theirs = said.strip().split("\n\n")
    assert len(theirs) == len(lines)
    for line, their in zip(lines, theirs, strict=True):
        status = run(celery, ["multi", *shlex.split(line)], face=CELERY)
        assert words_of(capsys.readouterr().out + str(status)) == words_of(their), line
