"""What the broker has said of a settlement, told to those it concerns: the claims in hand, a lane that waits, the log.

On the I/O thread; it asks the broker nothing.
"""

import logging

from umbel.app.application import Umbel
from umbel.app.execution import failure_record
from umbel.app.trouble import one_line
from umbel.core.delivery import Ack, Begin, Bury, Gone, Refused, Release, Settled, Settlement, Verdict
from umbel.core.errors import BackendStoreError
from umbel.worker.bodies import Bodies
from umbel.worker.hand import Finished
from umbel.worker.intake import Intake

logger = logging.getLogger("umbel.worker")


class Verdicts:
    """Tells, for one process."""

    def __init__(self, app: Umbel, intake: Intake, bodies: Bodies) -> None:
        self._clock = app.clock
        self._store = app.store
        self._intake = intake
        self._bodies = bodies

    def tell(self, one: Finished, verdict: Verdict) -> Finished | None:
        """Tell. What is returned takes the place of a settlement that was refused."""
        if isinstance(verdict, Refused):
            return self._refused(one, verdict.error)
        gone = isinstance(verdict, Gone)
        if one.share is not None and isinstance(verdict, Settled) and self._bodies.see_to(one, verdict):
            return None  # it is still claimed
        if one.last or gone:
            self._intake.tickets.pop(one.held.ticket, None)
        if gone and one.last and not isinstance(one.settlement.disposition, Release):
            self._log_gone(one)
        if isinstance(one.settlement.disposition, Begin):
            self._intake.begun(one.held, not gone)
        if one.answer is not None:
            one.answer(verdict)
        return None

    def _log_gone(self, one: Finished) -> None:
        message = one.held.delivery.message
        what = f"{message.headers.task}[{message.headers.id}]" if message else "a message"
        if one.sent:
            logger.info("%s was settled just before the connection was lost, or taken over since", what)
        else:
            logger.warning("%s was taken over by another worker meanwhile: nothing of this run is stored", what)

    def _refused(self, one: Finished, error: Exception) -> Finished | None:
        """The broker cannot do this one, and a repeat will not help: it becomes a failure that says so."""
        message = one.held.delivery.message
        logger.error("A settlement was refused: %s", error)
        if one.answer is not None:
            one.answer(Refused(error))
        if not one.last:
            return None
        harmless = isinstance(one.settlement.disposition, Ack | Release) and not one.settlement.ops
        if harmless or one.refused:
            self._intake.tickets.pop(one.held.ticket, None)
            return None
        ops: tuple[object, ...] = ()
        if message is not None and self._store is not None and one.settlement.ops:
            told = BackendStoreError(f"the result was not stored: {error}")
            ops = (self._store.compile(failure_record(message.headers.id, told, self._clock)),)
        burial = Finished(one.held, Settlement(one.held.ticket, Bury("failed", one_line(error)), (), ops))
        burial.refused = True
        return burial
