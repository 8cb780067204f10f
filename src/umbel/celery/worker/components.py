"""Celery's ``worker.components``: names of its own steps, for ``requires``. Umbel always has what they stand for."""

from umbel.celery import offered
from umbel.celery.bootsteps import StartStopStep, Step


class Timer(Step):
    """``worker.timer`` is there."""

    name = "celery.worker.components.Timer"


class Hub(StartStopStep):
    """The loop."""

    name = "celery.worker.components.Hub"


class Pool(StartStopStep):
    """The processes."""

    name = "celery.worker.components.Pool"


class Beat(StartStopStep):
    """The beat inside a worker."""

    name = "celery.worker.components.Beat"
    label = "Beat"
    conditional = True


class StateDB(Step):
    """What is kept between two starts: nothing, the broker has it."""

    name = "celery.worker.components.StateDB"


class Consumer(StartStopStep):
    """What takes messages."""

    name = "celery.worker.components.Consumer"
    last = True


__all__ = ["Beat", "Consumer", "Hub", "Pool", "StateDB", "Timer"]

__getattr__ = offered.names_not_in(__name__)
