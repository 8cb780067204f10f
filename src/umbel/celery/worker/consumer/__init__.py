"""Celery's ``worker.consumer``: names of its own steps, for ``requires``. Umbel always has what they stand for."""

from umbel.celery import offered
from umbel.celery.bootsteps import StartStopStep
from umbel.worker.announce import Consumer


class Connection(StartStopStep):
    """The way to the broker."""

    name = "celery.worker.consumer.connection.Connection"


class Events(StartStopStep):
    """What tells monitors."""

    name = "celery.worker.consumer.events.Events"


class Mingle(StartStopStep):
    """What workers say to each other as they start: nothing."""

    name = "celery.worker.consumer.mingle.Mingle"


class Gossip(StartStopStep):
    """What workers say to each other later: nothing."""

    name = "celery.worker.consumer.gossip.Gossip"


class Heart(StartStopStep):
    """What says that a worker lives."""

    name = "celery.worker.consumer.heart.Heart"


class Control(StartStopStep):
    """What takes commands."""

    name = "celery.worker.consumer.control.Control"


class Tasks(StartStopStep):
    """What takes tasks."""

    name = "celery.worker.consumer.tasks.Tasks"


class Agent(StartStopStep):
    """Celery's agent, which nobody has."""

    name = "celery.worker.consumer.agent.Agent"
    conditional = True


__all__ = ["Agent", "Connection", "Consumer", "Control", "Events", "Gossip", "Heart", "Mingle", "Tasks"]

__getattr__ = offered.names_not_in(__name__)
