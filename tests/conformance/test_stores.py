from pathlib import Path

from tests.conformance.sites import MemorySite, SqliteSite
from umbel.runtime.clock import SYSTEM
from umbel.testing import FakeClock
from umbel.testing.conformance.site import asynchronous
from umbel.testing.result_conformance import EXPIRES, CatalogueSuite, GroupSuite, JoinSuite, StoreSuite, StoreWaitSuite


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


class Pruned(GroupSuite):
    @asynchronous
    async def test_expired_groups_are_pruned_and_no_more_than_asked(self) -> None:
        for n in range(3):
            self.groups.save(f"g{n}", (("g", None), []))
        self.advance(EXPIRES / 2)
        self.groups.save("young", (("young", None), []))
        self.advance(EXPIRES / 2 + 1)
        assert [await self.store.prune(2) for _ in range(3)] == [2, 1, 0]
        assert self.groups.restore("young") == [["young", None], []]


class TestSqliteGroups(Pruned):
    def make_site(self, folder: Path) -> SqliteSite:
        return SqliteSite(folder, FakeClock())


class TestMemoryGroups(Pruned):
    def make_site(self, folder: Path) -> MemorySite:
        return MemorySite(FakeClock())


class PrunedCatalogue(CatalogueSuite):
    @asynchronous
    async def test_expired_workflows_are_pruned_and_no_more_than_asked(self) -> None:
        for n in range(3):
            await self.catalogue.note(f"w{n}", [])
        self.advance(EXPIRES + 1)
        assert [await self.store.prune(2) for _ in range(3)] == [2, 1, 0]


class TestSqliteCatalogue(PrunedCatalogue):
    def make_site(self, folder: Path) -> SqliteSite:
        return SqliteSite(folder, FakeClock())


class TestMemoryCatalogue(PrunedCatalogue):
    def make_site(self, folder: Path) -> MemorySite:
        return MemorySite(FakeClock())
