"""Celery's ``contrib.testing.tasks``: the task by which a test sees that a worker works."""

from umbel.app.decorate import shared_task


@shared_task(name="celery.ping")
def ping() -> str:
    """Answer ``pong``."""
    return "pong"
