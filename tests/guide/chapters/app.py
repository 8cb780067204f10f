"""The application of all chapters. Where its messages and results go, the environment says."""

import os

from celery import Celery
from kombu import Exchange, Queue

app = Celery(
    "chapters",
    broker=os.environ["BROKER"],
    backend=os.environ["BACKEND"],
    include=[
        "chapters.first_steps",
        "chapters.next_steps",
        "chapters.canvas",
        "chapters.routing",
        "chapters.periodic",
    ],
)
app.conf.update(
    result_expires=3600,
    result_extended=True,
    task_send_sent_event=False,
    worker_hijack_root_logger=False,
    timezone="Europe/Vienna",
)


class Router:
    """Tasks whose names end in ``_by_class`` are for the kitchen."""

    def route_for_task(self, name, args=None, kwargs=None):
        if name.endswith("_by_class"):
            return {"queue": "kitchen", "priority": 3}
        return None


def by_function(name, args, kwargs, options, task=None, **more):
    """What is called with the word ``garden`` is for the garden."""
    return {"queue": "garden"} if "garden" in (args or ()) else None


food = Exchange("food", type="direct")
app.conf.task_queues = [
    Queue("celery"),
    Queue("kitchen", food, routing_key="food.cooked"),
    Queue("garden", food, routing_key="food.raw"),
]
app.conf.task_routes = [
    Router(),
    by_function,
    {"chapters.routing.cook*": {"queue": "kitchen"}, "chapters.routing.dig": "garden"},
]
