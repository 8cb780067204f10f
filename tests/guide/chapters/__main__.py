"""Runs the chapters that are named, one after the other, and prints what each says.

With ``HERE`` a worker runs in this process; without, one runs elsewhere, with a beat in it.
"""

import os
import sys
import time
from contextlib import nullcontext
from importlib import import_module

from celery.contrib.testing.worker import start_worker
from chapters import canvas, periodic
from chapters.app import app


def until(fact, what):
    """Wait for a fact."""
    end = time.monotonic() + 20
    while not fact():
        if time.monotonic() > end:
            sys.exit(f"never: {what}")
        time.sleep(0.02)


def main(names):
    """Run the chapters."""
    here = "HERE" in os.environ
    with start_worker(app, perform_ping_check=False) if here else nullcontext():
        for name in names:
            import_module(f"chapters.{name}").main(lambda *words, name=name: print(f"{name}:", *words, flush=True))
            if name == "canvas":
                until(lambda: len(canvas.noted()) >= canvas.EXPECTED_NOTES, "notes of canvas")
                print("canvas:", canvas.noted())
            if name == "periodic" and not here:
                until(periodic.ticked, "ticks")
                print("periodic: ticked")


if __name__ == "__main__":
    main(sys.argv[1:])
