"""The suites that hold every result store. An adapter's tests subclass them, as those of ``broker_conformance``."""

from umbel.testing.conformance.storing import EXPIRES, StoreSuite, StoreWaitSuite

__all__ = ["EXPIRES", "StoreSuite", "StoreWaitSuite"]
