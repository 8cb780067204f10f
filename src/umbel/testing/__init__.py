"""Tools to try the house: the suites that hold every adapter, and a clock that a test turns."""

from umbel.testing.clock import FakeClock

__all__ = ["FakeClock"]
