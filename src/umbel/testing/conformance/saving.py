"""The suite for stores that save groups (``result.base.Groups``)."""

from umbel.result.base import CanSaveGroups, Groups
from umbel.testing.conformance.site import asynchronous
from umbel.testing.conformance.storing import EXPIRES, Stored, record

SHAPE = (("g", None), [(("a", (("before", None), None)), None), (("inner", None), [(("b", None), None)])])
READ = [["g", None], [[["a", [["before", None], None]], None], [["inner", None], [[["b", None], None]]]]]


class GroupSuite(Stored):
    """All that a fake clock can drive."""

    @property
    def groups(self) -> Groups:
        assert isinstance(self.store, CanSaveGroups)
        return self.store.groups

    @asynchronous
    async def test_what_is_saved_is_restored_in_another_process_too(self) -> None:
        self.groups.save("g", SHAPE)
        elsewhere = self.site.store()
        assert isinstance(elsewhere, CanSaveGroups)
        assert self.groups.restore("g") == elsewhere.groups.restore("g") == READ
        assert self.groups.restore("another") is None

    @asynchronous
    async def test_saving_again_replaces(self) -> None:
        self.groups.save("g", (("g", None), []))
        self.groups.save("g", SHAPE)
        assert self.groups.restore("g") == READ

    @asynchronous
    async def test_deleting_leaves_other_groups_and_results(self) -> None:
        await self.store.write([record("g"), record("a")])
        self.groups.save("g", SHAPE)
        self.groups.save("other", SHAPE)
        for _ in range(2):
            self.groups.delete("g")
        assert self.groups.restore("g") is None
        assert self.groups.restore("other") == READ
        assert set(await self.store.read(["g", "a"])) == {"g", "a"}

    @asynchronous
    async def test_groups_expire_like_records(self) -> None:
        self.groups.save("g", SHAPE)
        self.advance(EXPIRES - 1)
        self.groups.save("later", SHAPE)
        self.advance(1.5)
        assert self.groups.restore("g") is None
        assert self.groups.restore("later") == READ
