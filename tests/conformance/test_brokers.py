from pathlib import Path

from tests.conformance.sites import MemorySite, SqliteSite
from umbel.runtime.clock import SYSTEM
from umbel.testing import FakeClock
from umbel.testing.broker_conformance import BrokerSuite, ClockLeaseSuite, TickSuite, WaitSuite


class TestSqlite(BrokerSuite):
    def make_site(self, folder: Path) -> SqliteSite:
        return SqliteSite(folder, FakeClock())


class TestSqliteWakes(WaitSuite):
    def make_site(self, folder: Path) -> SqliteSite:
        return SqliteSite(folder, SYSTEM)


class TestMemory(BrokerSuite):
    def make_site(self, folder: Path) -> MemorySite:
        return MemorySite(FakeClock())


class TestMemoryLeases(ClockLeaseSuite):
    def make_site(self, folder: Path) -> MemorySite:
        return MemorySite(FakeClock())


class TestMemoryWakes(WaitSuite):
    def make_site(self, folder: Path) -> MemorySite:
        return MemorySite(SYSTEM)


class TestSqliteTicks(TickSuite):
    def make_site(self, folder: Path) -> SqliteSite:
        return SqliteSite(folder, FakeClock())


class TestMemoryTicks(TickSuite):
    def make_site(self, folder: Path) -> MemorySite:
        return MemorySite(FakeClock())
