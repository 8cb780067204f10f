"""Letters to readers: a file each, in the folder ``outbox``."""

from pathlib import Path

from celery import shared_task
from celery.utils.log import get_task_logger

logger = get_task_logger(__name__)
outbox = Path("outbox")


class NoStamps(Exception):
    """The post costs more than there is in the till."""


@shared_task(bind=True, autoretry_for=(OSError,), max_retries=4, retry_backoff=1, retry_backoff_max=300)
def remind(self, reader, title):
    """Write a letter. Where the outbox is missing, again a little later; without stamps, again in an hour."""
    if (outbox / "no-stamps").exists():
        raise self.retry(exc=NoStamps(reader), countdown=3600)
    letter = outbox / f"{reader}.txt"
    letter.write_text(f"Dear {reader}, please bring back {title}. (attempt {self.request.retries + 1})")
    logger.info("wrote to %s", reader)
    return {"letter": str(letter), "attempts": self.request.retries + 1}
