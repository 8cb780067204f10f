"""What is told about tasks as they end: a line each, in the file ``told``."""

from pathlib import Path

from celery.signals import task_failure, task_success, worker_ready


def tell(*words):
    """Add a line."""
    with Path("told").open("a") as told:
        print(*words, file=told)


@task_success.connect
def well(sender, result, **about):
    tell("well", sender.name)


@task_failure.connect
def badly(sender, task_id, exception, **about):
    tell("badly", sender.name, type(exception).__name__, exception, task_id)


@worker_ready.connect
def ready(**about):
    tell("ready")
