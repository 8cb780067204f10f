"""The suites that hold every result store. An adapter's tests subclass them, as those of ``broker_conformance``.

``JoinSuite`` is for stores that can join.
"""

from umbel.testing.conformance.joining import JoinSuite
from umbel.testing.conformance.storing import EXPIRES, StoreSuite, StoreWaitSuite

__all__ = ["EXPIRES", "JoinSuite", "StoreSuite", "StoreWaitSuite"]
