"""Programs that say, chapter by chapter, what a user of Celery learns first. They know nothing of who runs them."""
