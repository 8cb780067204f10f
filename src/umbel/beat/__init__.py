"""Beat: publishes what is due. Any number may run; one leads, and each tick is published once."""

from umbel.beat.agenda import Agenda
from umbel.beat.options import BeatOptions
from umbel.beat.run import Embedded, run
from umbel.beat.scheduler import Scheduler

__all__ = ["Agenda", "BeatOptions", "Embedded", "Scheduler", "run"]
