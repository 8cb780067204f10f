"""User code beside a loop is on a thread of its own, also where threads have been replaced by greenlets."""

import subprocess
import sys

import pytest

BESIDE = """
import asyncio, sys
from umbel.worker.patching import patch
patch(sys.argv[1])
from umbel.runtime.aside import Aside, Errands, on_thread
from umbel.runtime.unpatched import Flag, Loop, get_ident, start
import time

ended = Flag()
idents = []

def work():
    time.sleep(0.01)  # blocks as a task's code does, in whatever way is patched in
    idents.append(get_ident())

async def main():
    aside = Aside()
    await aside.call(work)
    await on_thread(work)
    await Errands("errands").do(work)
    assert len(idents) == 3 and get_ident() not in idents, (idents, get_ident())

def loop():
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(main())
        print("beside")
    finally:
        ended.set()

start(loop, "loop")
ended.wait()
"""


@pytest.mark.parametrize("lane", ["gevent", "eventlet"])
def test_what_runs_beside_a_loop_is_no_greenlet_of_its_thread(lane: str) -> None:
    done = subprocess.run([sys.executable, "-c", BESIDE, lane], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "beside\n", done.stderr
