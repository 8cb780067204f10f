"""The suites that hold every result store. An adapter's tests subclass them, as those of ``broker_conformance``.

``JoinSuite`` is for stores that can join, ``GroupSuite`` for those that save groups.
"""

from umbel.testing.conformance.joining import JoinSuite
from umbel.testing.conformance.saving import GroupSuite
from umbel.testing.conformance.storing import EXPIRES, StoreSuite, StoreWaitSuite

__all__ = ["EXPIRES", "GroupSuite", "JoinSuite", "StoreSuite", "StoreWaitSuite"]
