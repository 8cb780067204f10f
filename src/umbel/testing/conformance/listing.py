"""The suite for stores that know which workflows there are (``result.base.Catalogue``)."""

from umbel.result.base import CanList, Catalogue
from umbel.testing.conformance.site import asynchronous
from umbel.testing.conformance.storing import EXPIRES, Stored, record


class CatalogueSuite(Stored):
    """All that a fake clock can drive."""

    @property
    def catalogue(self) -> Catalogue:
        assert isinstance(self.store, CanList)
        return self.store.catalogue

    @asynchronous
    async def test_the_newest_come_first_and_no_more_than_asked(self) -> None:
        assert await self.catalogue.newest(10) == []
        for key in ("a", "c", "b"):
            await self.catalogue.note(key, [])
            self.advance(1)
        assert await self.catalogue.newest(10) == ["b", "c", "a"]
        assert await self.catalogue.newest(2) == ["b", "c"]
        await self.catalogue.note("a", [])
        assert await self.catalogue.newest(10) == ["a", "b", "c"]

    @asynchronous
    async def test_records_are_stored_with_it_on_both_sides(self) -> None:
        await self.catalogue.note("a", [record("one")])
        self.advance(1)
        self.catalogue.note_sync("b", [record("two"), record("three")])
        assert set(await self.store.read(["one", "two", "three"])) == {"one", "two", "three"}
        elsewhere = self.site.store()
        assert isinstance(elsewhere, CanList)
        assert await elsewhere.catalogue.newest(10) == ["b", "a"]

    @asynchronous
    async def test_workflows_expire_like_records(self) -> None:
        await self.catalogue.note("old", [record("old")])
        self.advance(EXPIRES / 2)
        await self.catalogue.note("young", [record("young")])
        self.advance(EXPIRES / 2 + 1)
        assert await self.catalogue.newest(10) == ["young"]
        assert set(await self.store.read(["old", "young"])) == {"young"}
