"""Tools to try the house: the suites that hold every adapter, a clock that a test turns, and proof under faults.

``ledger`` and ``verdict``: what happened, and what it proves. ``witness`` and ``failpoints`` watch and strike workers.
"""

from umbel.testing.clock import FakeClock
from umbel.testing.ledger import Ledger
from umbel.testing.verdict import Verdict, judge

__all__ = ["FakeClock", "Ledger", "Verdict", "judge"]
