"""The suites that hold every broker adapter. An adapter's tests subclass them, and say how to make one.

    class TestMine(BrokerSuite):
        def make_site(self, folder):
            return MySite(folder, FakeClock())

    class TestMineWakes(WaitSuite):                 # on the machine's clock
        def make_site(self, folder):
            return MySite(folder, SYSTEM)

``ClockLeaseSuite`` is for adapters whose leases are counted by the clock. A test is a plain function with an event loop
of its own, so the suites need pytest and no plugin. Every rule that they check is in ``docs/internals.md``, with the
failure that it prevents. ``broker_model`` has one more suite, which needs hypothesis.
"""

from umbel.testing.conformance.adopting import AdoptSuite, ClockLeaseSuite
from umbel.testing.conformance.claiming import DelaySuite, TicketSuite
from umbel.testing.conformance.joining import JoinSettleSuite
from umbel.testing.conformance.keeping import DeadSuite, SharedSuite
from umbel.testing.conformance.publishing import OrderSuite, PublishSuite
from umbel.testing.conformance.settling import SettleSuite
from umbel.testing.conformance.site import LEASE, QUEUE, Site, Suite, asynchronous, call, names, new_id, success
from umbel.testing.conformance.ticking import TickSuite
from umbel.testing.conformance.waiting import WaitSuite


class BrokerSuite(
    PublishSuite,
    OrderSuite,
    DelaySuite,
    TicketSuite,
    SettleSuite,
    JoinSettleSuite,
    AdoptSuite,
    DeadSuite,
    SharedSuite,
):
    """All that holds for every broker, and that a fake clock can drive. ``TickSuite`` is for those with ``Ticks``."""


__all__ = [
    "LEASE",
    "QUEUE",
    "AdoptSuite",
    "BrokerSuite",
    "ClockLeaseSuite",
    "DeadSuite",
    "DelaySuite",
    "JoinSettleSuite",
    "OrderSuite",
    "PublishSuite",
    "SettleSuite",
    "SharedSuite",
    "Site",
    "Suite",
    "TickSuite",
    "TicketSuite",
    "WaitSuite",
    "asynchronous",
    "call",
    "names",
    "new_id",
    "success",
]
