"""Celery's ``contrib.django.task``: a task that can be sent when Django's transaction has been committed."""

import functools
from typing import Any

from django.db import transaction  # type: ignore[import-not-found,import-untyped,unused-ignore]

from umbel.app.task import Task


class DjangoTask(Task[Any, Any]):
    """A task for projects of Django's. What ``on_commit`` delays is not sent if the transaction is rolled back."""

    abstract = True

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """``delay``, once the transaction of the default database has been committed; at once where there is none."""
        transaction.on_commit(functools.partial(self.delay, *args, **kwargs))

    def apply_async_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """``apply_async``, once the transaction has been committed. ``using`` names another database."""
        using = kwargs.pop("using", None)
        transaction.on_commit(functools.partial(self.apply_async, *args, **kwargs), using=using)


__all__ = ["DjangoTask"]
