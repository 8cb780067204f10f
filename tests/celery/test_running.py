"""Programs written for Celery, under its names, run by a worker in other processes."""

from pathlib import Path

from tests.celery.programs import run

PROGRAM = """\
from celery import Celery, Task, chain, chord, group, shared_task
from celery.exceptions import MaxRetriesExceededError
from celery.schedules import crontab
from celery.signals import task_failure, task_success, worker_ready
from celery.utils.log import get_task_logger
from kombu import Exchange, Queue

logger = get_task_logger(__name__)
app = Celery("shop", broker="sqlite:///shop.db", backend="sqlite:///shop.db")
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_queues=[Queue("celery"), Queue("mail", Exchange("mail"), routing_key="mail")],
    task_routes={"shop.send": {"queue": "mail"}},
    beat_schedule={"nightly": {"task": "shop.total", "schedule": crontab(hour=3, minute=0), "args": ([1],)}},
)


class Logged(Task):
    def on_success(self, retval, task_id, args, kwargs):
        open("succeeded", "a").write(self.name + "\\n")


@app.task(bind=True, base=Logged, autoretry_for=(ConnectionError,), max_retries=3, retry_backoff=False,
          default_retry_delay=0)
def send(self, number):
    logger.info("attempt %s", self.request.retries)
    if self.request.retries < 2:
        raise ConnectionError("no route")
    return self.request.retries, self.request.delivery_info["routing_key"]


@shared_task
def double(x):
    return x * 2


@app.task
def total(numbers):
    return sum(numbers)


if __name__ == "__main__":
    with app.Worker(pool="solo", queues="celery,mail"):
        print(send.delay(7).get(timeout=60))
        print(chain(double.s(2), double.s(), double.s())().get(timeout=60))
        print(chord(group(double.s(n) for n in range(4)), total.s())().get(timeout=60))
    print(open("succeeded").read().strip())
"""


def test_a_program_of_celerys_runs_unchanged(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(PROGRAM)
    done = run(tmp_path, "shop.py", alias=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[2, 'mail']", "16", "12", "shop.send"], done.stderr
