"""A worker and its caller in one process, for the adapter that reaches no further: shapes in, values out, as lines."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.canvas.shapes import MARK, built
from umbel import Umbel
from umbel.worker.options import WorkerOptions
from umbel.worker.run import run

settings = json.loads(sys.argv[1])
app = Umbel("in_memory", broker="memory://", backend="memory://", worker_redirect_stdouts=False, **settings)


@app.task(name=MARK)
def mark(*values: object) -> list[object]:
    return list(values)


def answer() -> None:
    for line in sys.stdin:
        results = [built(shape, app).apply_async() for shape in json.loads(line)]
        try:
            found: object = [result.get(timeout=20) for result in results]
        except BaseException as error:  # noqa: BLE001  told to the other side
            found = repr(error)
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


@contextmanager
def beside() -> Iterator[None]:
    threading.Thread(target=answer, daemon=True).start()
    yield


if __name__ == "__main__":
    run(app, WorkerOptions(pool="solo"), on_banner=lambda banner: None, beside=beside)
