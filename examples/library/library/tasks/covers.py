"""Pictures of covers: steps of a workflow, on a queue of their own."""

from celery import shared_task


@shared_task
def scan(title):
    """A large picture."""
    return {"title": title, "pixels": 4000}


@shared_task
def shrink(picture, factor=10):
    """A smaller one."""
    return {**picture, "pixels": picture["pixels"] // factor}


@shared_task
def catalogue(pictures, heading):
    """A page of many."""
    return heading + ": " + ", ".join(f"{one['title']} ({one['pixels']})" for one in pictures)
