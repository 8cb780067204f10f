"""Next steps: options of calls, and signatures."""

from datetime import timedelta

from celery import chain, chord, group, signature
from celery.exceptions import Retry
from chapters.app import app


@app.task
def add(x, y):
    return x + y


@app.task
def times(x, y):
    return x * y


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=2, default_retry_delay=0)
def stubborn(self, until):
    if self.request.retries < until:
        raise self.retry(exc=KeyError(self.request.retries))
    return f"after {self.request.retries}"


@app.task(bind=True, autoretry_for=(ValueError,), retry_backoff=False, max_retries=3, default_retry_delay=0)
def automatic(self, until):
    if self.request.retries < until:
        raise ValueError("not yet")
    return f"after {self.request.retries}"


def main(say):
    """Say what options and signatures do."""
    say(add.apply_async((2, 2), countdown=0.2, expires=60).get(timeout=20))
    say(add.apply_async((2, 2), eta=app.now() + timedelta(seconds=0.2)).get(timeout=20))
    late = add.apply_async((2, 2), expires=-1)
    late.get(timeout=20, propagate=False)
    say(late.state, type(late.result).__name__, late.result)
    say(add.apply_async(kwargs={"x": 1, "y": 5}, task_id="of-my-own").id)
    say(add.apply((4, 4)).get(), add.apply((4, "4")).state)

    say(stubborn.delay(2).get(timeout=20), automatic.delay(3).get(timeout=20))
    lost = stubborn.delay(9)
    say(repr(lost.get(timeout=20, propagate=False)), lost.state)
    try:
        stubborn(1)
    except (Retry, KeyError) as error:
        say(type(error).__name__, error)

    both = add.s(2, 3)
    say(repr(both), both(), both.delay().get(timeout=20))
    half = add.s(10)
    say(repr(half), half.delay(1).get(timeout=20), half.clone((5,))())
    say(add.signature((2, 2), countdown=0.1).options, add.s(2, y=3).kwargs)
    say(signature("chapters.next_steps.add", args=(7, 8), app=app).delay().get(timeout=20))
    say(dict(add.s(1).set(queue="celery", priority=3))["options"])
    say(add.si(1, 2).immutable, add.s(1).immutable, both == add.s(2, 3), both == half)

    say(group(add.s(n, n) for n in range(4))().get(timeout=20))
    grouped = group(add.s(n) for n in range(4))
    say(grouped(10).get(timeout=20))
    say(chain(add.s(4, 4), times.s(8))().get(timeout=20))
    say((add.s(4) | times.s(8))(4).get(timeout=20))
    say(chord((add.s(n, n) for n in range(4)), total.s())().get(timeout=20))
    say((group(add.s(n, n) for n in range(4)) | total.s())().get(timeout=20))
