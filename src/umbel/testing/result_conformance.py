"""The suites that hold every result store. An adapter's tests subclass them, as those of ``broker_conformance``.

``JoinSuite`` is for stores that can join, ``GroupSuite`` for those that save groups, ``CatalogueSuite`` for those that
know which workflows there are.
"""

from umbel.testing.conformance.joining import JoinSuite
from umbel.testing.conformance.listing import CatalogueSuite
from umbel.testing.conformance.saving import GroupSuite
from umbel.testing.conformance.storing import EXPIRES, StoreSuite, StoreWaitSuite

__all__ = ["EXPIRES", "CatalogueSuite", "GroupSuite", "JoinSuite", "StoreSuite", "StoreWaitSuite"]
