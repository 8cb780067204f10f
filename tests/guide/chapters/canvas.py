"""Canvas: signatures that make workflows, and what follows a task."""

import os
from pathlib import Path

from celery import chain, chord, group
from celery.result import ResultSet
from chapters.app import app

NOTES = Path(os.environ["NOTES"])


def note(*words):
    """Add a line that the caller reads."""
    with NOTES.open("a") as notes:
        notes.write(" ".join(map(str, words)) + "\n")


@app.task
def plus(x, y):
    return x + y


@app.task
def collected(parts):
    return list(parts)


@app.task
def tell(value, what="told"):
    note(what, value)
    return value


@app.task
def refuse(*args):
    raise ValueError("refused")


@app.task
def heard(request, error, traceback):
    note("heard", request.task, type(error).__name__)


@app.task(bind=True)
def instead(self, number):
    raise self.replace(group(plus.s(number, n) for n in range(3)) | collected.s())


@app.task(bind=True)
def counted(self, number):
    self.update_state(state="COUNTING", meta={"at": number})
    return number


def backwards(node):
    """What a result and those before it came to, the last first."""
    found = []
    while node is not None:
        found.append(repr(node.get(timeout=20, propagate=False)))
        node = node.parent
    return found


def main(say):
    """Say what workflows come to."""
    say(plus.apply_async((1, 2), link=tell.s("linked")).get(timeout=20))
    say(plus.apply_async((1, 2), link=[tell.si(0, "fixed"), plus.s(4)]).get(timeout=20))
    refuse.apply_async((1,), link_error=heard.s()).get(timeout=20, propagate=False)

    line = chain(plus.s(1, 1), plus.s(2), plus.si(10, 10), plus.s(3))()
    say(backwards(line))
    broken = chain(plus.s(1, 1), refuse.s(), plus.s(1))()
    say(backwards(broken.parent))

    many = group(plus.s(n, 1) for n in range(5)).apply_async()
    say(many.get(timeout=20), many.completed_count(), many.successful(), many.ready(), len(many))
    say(many.join(timeout=20), many[2].get(timeout=20), list(many) == many.children)
    mixed = group(plus.s(1, 1), refuse.s()).apply_async()
    say([repr(value) for value in mixed.get(timeout=20, propagate=False)], mixed.failed(), mixed.completed_count())

    say(chord([plus.s(n, n) for n in range(3)])(collected.s()).get(timeout=20))
    bad = chord([plus.s(1, 1), refuse.s()], collected.s().on_error(heard.s()))()
    error = bad.get(timeout=20, propagate=False)
    say(type(error).__name__, "refused" in str(error), bad.state)

    say((plus.s(1, 1) | group(plus.s(n) for n in range(3)))().get(timeout=20))
    say((plus.s(1, 1) | group(plus.s(n) for n in range(3)) | collected.s() | collected.s())().get(timeout=20))
    say(((group(plus.s(1, 1), plus.s(2, 2)) | collected.s()) | plus.s([0]))().get(timeout=20))
    say(plus.starmap([(1, 1), (2, 2)]).apply_async().get(timeout=20))
    say(collected.map([[1], [2, 3]]).apply_async().get(timeout=20))
    say(plus.chunks([(n, n) for n in range(5)], 2).apply_async().get(timeout=20))
    say(instead.delay(100).get(timeout=20))
    say(counted.delay(3).get(timeout=20))

    results = ResultSet([plus.delay(n, n) for n in range(3)])
    results.add(plus.delay(9, 9))
    say(sorted(results.join(timeout=20)), results.completed_count())
    parts = group(chain(plus.s(n, 1), plus.s(1)) for n in range(3))
    say(parts().get(timeout=20))
    say(plus.s(2, 2).apply_async(headers={"colour": "red"}).get(timeout=20))


def noted():
    """What the chapter's tasks told, in any order."""
    return sorted(NOTES.read_text().splitlines())


EXPECTED_NOTES = 4
