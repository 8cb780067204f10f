from pathlib import Path

from tests.conformance.sites import MemorySite, SqliteSite
from umbel.runtime.clock import SYSTEM
from umbel.testing import FakeClock
from umbel.testing.result_conformance import JoinSuite, StoreSuite, StoreWaitSuite


class TestSqlite(StoreSuite):
    def make_site(self, folder: Path) -> SqliteSite:
        return SqliteSite(folder, FakeClock())


class TestSqliteWakes(StoreWaitSuite):
    def make_site(self, folder: Path) -> SqliteSite:
        return SqliteSite(folder, SYSTEM)


class TestMemory(StoreSuite):
    def make_site(self, folder: Path) -> MemorySite:
        return MemorySite(FakeClock())


class TestMemoryWakes(StoreWaitSuite):
    def make_site(self, folder: Path) -> MemorySite:
        return MemorySite(SYSTEM)


class TestSqliteJoins(JoinSuite):
    def make_site(self, folder: Path) -> SqliteSite:
        return SqliteSite(folder, FakeClock())


class TestMemoryJoins(JoinSuite):
    def make_site(self, folder: Path) -> MemorySite:
        return MemorySite(FakeClock())
