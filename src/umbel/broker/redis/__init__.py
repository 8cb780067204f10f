"""The broker on Redis, in Celery's own layout where Celery reads or writes too. In the making."""
