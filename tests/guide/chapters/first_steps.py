"""First steps: a task, a call, and what becomes of it."""

from celery.exceptions import TimeoutError
from celery.result import AsyncResult
from celery.utils.log import get_task_logger
from chapters.app import app

logger = get_task_logger(__name__)


@app.task
def perimeter(width, height):
    logger.info("measuring %s by %s", width, height)
    return 2 * (width + height)


@app.task
def share(cake, guests):
    return cake / guests


@app.task(ignore_result=True)
def forget():
    return "unheard"


@app.task(bind=True)
def describe(self, *args, **kwargs):
    about = self.request
    return {
        "name": self.name,
        "args": list(about.args),
        "kwargs": about.kwargs,
        "retries": about.retries,
        "queue": about.delivery_info["routing_key"],
        "root": about.root_id == about.id,
        "direct": about.called_directly,
    }


def main(say):
    """Say what a newcomer sees."""
    say(perimeter.name, perimeter(3, 4))
    result = perimeter.delay(3, 4)
    say(result.get(timeout=20), result.state, result.ready(), result.successful(), result.failed())
    again = AsyncResult(result.id, app=app)
    say(again.result, again == result, str(again) == result.id)

    failed = share.delay(1, 0)
    try:
        failed.get(timeout=20)
    except ZeroDivisionError as error:
        say("raised", error)
    say(failed.state, repr(failed.get(propagate=False)), failed.failed())
    say(failed.traceback.splitlines()[0], "|", failed.traceback.splitlines()[-1])
    say(failed.maybe_throw(propagate=False) == failed.result)

    say(describe.delay(1, two=2).get(timeout=20))
    try:
        app.send_task("chapters.first_steps.nobody", queue="nowhere").get(timeout=0.01)
    except TimeoutError as error:
        say(type(error).__name__)
    unheard = forget.delay()
    say(unheard.state)

    spent = perimeter.delay(1, 1)
    spent.get(timeout=20)
    spent.forget()
    say(AsyncResult(spent.id, app=app).state)
    for wrong in ((1,), (1, 2, 3)):
        try:
            perimeter.delay(*wrong)
        except TypeError as error:
            say(type(error).__name__)
    say(app.conf.timezone, int(app.conf.result_expires), app.conf.task_default_queue)
