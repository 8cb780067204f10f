"""Celery's ``contrib.django``: tasks that are sent when a transaction has been committed."""
