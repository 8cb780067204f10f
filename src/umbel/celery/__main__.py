"""``python -m umbel.celery``, and what Celery's own script ``celery`` calls under the alias: Umbel's command line."""

from umbel.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
