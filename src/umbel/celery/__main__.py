"""``python -m umbel.celery``, and what Celery's own script ``celery`` calls under the alias: the command ``celery``."""

from umbel.celery.bin.celery import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
