"""Settings, read by ``app.config_from_object``."""

from datetime import timedelta

from celery.schedules import crontab
from kombu import Queue

broker_url = "redis://localhost:6379/0"
result_backend = "redis://localhost:6379/1"
result_expires = timedelta(hours=2)
accept_content = ["json"]
timezone = "Europe/Lisbon"
task_acks_late = True
worker_prefetch_multiplier = 1
task_default_queue = "counter"
task_queues = [Queue("counter"), Queue("covers"), Queue("night")]
task_routes = {"library.tasks.covers.*": {"queue": "covers"}, "library.tasks.loans.close_month": "night"}
beat_schedule = {
    "stock-taking": {"task": "library.tasks.loans.count", "schedule": timedelta(minutes=10), "args": ("shelf 3",)},
    "reminders": {
        "task": "library.tasks.letters.remind",
        "schedule": crontab(hour=7, minute=30, day_of_week="mon-fri"),
        "kwargs": {"reader": "everybody", "title": "any book"},
        "options": {"expires": 3600},
    },
}
