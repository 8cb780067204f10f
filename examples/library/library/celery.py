"""The application: its settings are a module, its tasks are found in the package ``tasks``."""

from celery import Celery

app = Celery("library")
app.config_from_object("library.settings")
app.autodiscover_tasks(["library"])
