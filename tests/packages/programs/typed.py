"""A program with the types of celery-types; it passes mypy as it is written for Celery."""

from celery import Celery, chain, group, shared_task
from celery.app.task import Task
from celery.canvas import Signature
from celery.exceptions import Retry
from celery.result import AsyncResult
from celery.schedules import crontab

app = Celery("typed")
app.conf.beat_schedule = {"nightly": {"task": "typed.add", "schedule": crontab(hour=3), "args": (1, 2)}}


class Counted(Task[[int, int], int]):
    """A base class of tasks."""

    calls: int = 0

    def before_start(self, task_id: str, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        self.calls += 1


@app.task(base=Counted)
def add(x: int, y: int) -> int:
    return x + y


@app.task(bind=True, max_retries=3, default_retry_delay=0)
def patient(self: Task[[str], str], name: str) -> str:
    if self.request.retries < 2:
        raise self.retry(exc=ConnectionError(name))
    return f"{name} after {self.request.retries}"


@shared_task
def shout(text: str) -> str:
    return text.upper()


def values() -> list[object]:
    """What every kind of call comes to."""
    result: AsyncResult[int] = add.delay(2, 3)
    signature: Signature[int] = add.s(4)
    parts = group(add.s(n, n) for n in range(3)).apply_async()
    whole = chain(add.s(1, 1), signature).apply_async()
    try:
        late = patient.apply_async(("Ida",), countdown=0.1).get(timeout=20)
    except Retry:
        late = ""
    return [
        result.get(timeout=20),
        parts.get(timeout=20),
        whole.get(timeout=20),
        late,
        shout.delay("a").get(timeout=20),
    ]
