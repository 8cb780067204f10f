"""The lanes by their names, as ``--pool`` has them. Those of optional libraries are loaded when they are asked for."""

from importlib import import_module

from umbel.app.application import Umbel
from umbel.worker.hand import Hand
from umbel.worker.lane import Lane
from umbel.worker.plan import Plan
from umbel.worker.readahead import ReadAhead

LANES = {
    "prefork": ("umbel.worker.prefork", "MainLane"),
    "solo": ("umbel.worker.prefork", "MainLane"),
    "threads": ("umbel.worker.threads", "ThreadLane"),
    "asyncio": ("umbel.worker.coroutines", "CoroutineLane"),
    "gevent": ("umbel.worker.gevent_lane", "GeventLane"),
    "eventlet": ("umbel.worker.eventlet_lane", "EventletLane"),
}


def make_lane(app: Umbel, plan: Plan, hand: Hand, ahead: ReadAhead) -> Lane:
    """The lane of the plan."""
    module, name = LANES[plan.pool]
    lane: Lane = getattr(import_module(module), name)(app, plan, hand, ahead)
    return lane
