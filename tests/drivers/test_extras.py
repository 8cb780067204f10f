"""A driver whose library is not installed: one line says which extra of Umbel brings it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LINE = 'redis needs a library that is not installed: pip install "umbel[redis]"'
CALLS = {
    "broker": "Umbel('x', broker='redis://h').send_task('a')",
    "results": "Umbel('x', broker='memory://', backend='redis://h').AsyncResult('a').state",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_program_is_told(call: str) -> None:
    code = f"import sys\nsys.modules['hiredis'] = None\nfrom umbel import Umbel\n{call}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == f"umbel.core.errors.ImproperlyConfigured: {LINE}"


@pytest.mark.parametrize("command", ["worker", "queues"])
def test_the_command_line_says_it_in_one_line(folder: Path, command: str) -> None:
    (folder / "hiredis.py").write_text("raise ModuleNotFoundError(\"No module named 'hiredis'\", name='hiredis')\n")
    (folder / "shop.py").write_text("from umbel import Umbel\napp = Umbel('shop')\n")
    words = [sys.executable, "-m", "umbel", "-A", "shop", "-b", "redis://h", command]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(folder)})
    assert (done.returncode, done.stderr) == (1, f"umbel: {LINE}\n")
