"""Routing: to which queue a call goes."""

from chapters.app import app


@app.task(bind=True)
def cook(self, what):
    return where(self)


@app.task(bind=True)
def dig(self, what=""):
    return where(self)


@app.task(bind=True)
def taste_by_class(self):
    return where(self)


@app.task(bind=True, queue="garden")
def water(self):
    return where(self)


@app.task(bind=True)
def rest(self, what=""):
    return where(self)


def where(task):
    """The exchange and the key by which the call came."""
    about = task.request.delivery_info
    return [about["exchange"], about["routing_key"]]


def main(say):
    """Say where calls went."""
    say("by pattern", cook.delay("soup").get(timeout=20))
    say("by name", dig.delay().get(timeout=20))
    say("by class", taste_by_class.delay().get(timeout=20))
    say("by function", rest.delay("garden").get(timeout=20))
    say("by the task", water.delay().get(timeout=20))
    say("by the call", water.apply_async(queue="kitchen").get(timeout=20))
    say("by key", rest.apply_async(exchange="food", routing_key="food.cooked").get(timeout=20))
    say("by default", rest.delay().get(timeout=20))
    say(sorted(queue.name for queue in app.conf.task_queues))
