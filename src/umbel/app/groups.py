"""Handles on the results of groups: they have an id, know what ran before them, and can be saved in the store."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, cast

from umbel.app import ambient
from umbel.app.results import NO_STORE, AsyncResult, tuple_of
from umbel.app.resultsets import ResultSet
from umbel.core.errors import ImproperlyConfigured
from umbel.core.unfolding import cut
from umbel.result.base import CanSaveGroups, Groups

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.core.tree import Tree
    from umbel.result.base import Store


class GroupResult(ResultSet):
    """The results of a group. ``parent`` is the result of what ran before it."""

    _bound: "ClassVar[Umbel | None]" = None

    def __init__(
        self,
        id: str | None = None,
        results: "Iterable[Any]" = (),
        parent: Any = None,
        app: "Umbel | None" = None,
        **unused: Any,
    ) -> None:
        super().__init__(results, app or self._bound)
        self.id = id
        self.parent: Any = parent

    @property
    def children(self) -> list[Any]:
        """The members' results."""
        return self.results

    def _watched(self) -> "list[AsyncResult[Any]]":
        return [*self._awaited(), *(node for node in self._parents() if not node.ended)]

    def throw_if_failed(self) -> None:
        """Raise what a task raised, or one before them, if these handles have seen it, without reading."""
        for node in self._parents():
            node.throw_if_failed()
        super().throw_if_failed()

    def _parents(self) -> "Iterator[AsyncResult[Any]]":
        node = self.parent
        while node is not None:
            yield from node.leaves()
            node = node.parent

    def tree(self) -> "Tree":
        """The whole workflow that the group belongs to: states, times, what waits for what. ``app.workflows.show``."""
        return self.app.workflows.show(str(self.id), result=self.as_tuple())

    async def atree(self) -> "Tree":
        """``tree``, for coroutines."""
        return await self.app.workflows.ashow(str(self.id), result=self.as_tuple())

    def _all_forgotten(self) -> list[str]:
        return [*super()._all_forgotten(), *(one.forgotten() for one in self._parents())]

    def save(self, backend: "Store | None" = None) -> "GroupResult":
        """Keep which results these are in the store, as long as it keeps results, and return this handle.

        ``restore(id)`` finds it again in any process, Celery's as well; of a long chain in it, the last hundred steps.
        Raises ``NotImplementedError`` where the store cannot.
        """
        saved_by(backend or self.backend).save(str(self.id), cut(self.as_tuple()))
        return self

    async def asave(self, backend: "Store | None" = None) -> "GroupResult":
        """``save``, for coroutines."""
        return await asyncio.to_thread(self.save, backend)

    def delete(self, backend: "Store | None" = None) -> None:
        """Forget what ``save`` kept; the results stay (``forget``)."""
        saved_by(backend or self.backend).delete(str(self.id))

    async def adelete(self, backend: "Store | None" = None) -> None:
        """``delete``, for coroutines."""
        await asyncio.to_thread(self.delete, backend)

    @classmethod
    def restore(cls, id: str, backend: "Store | None" = None, app: "Umbel | None" = None) -> "GroupResult | None":
        """The group that was saved under this id, or None. ``app.GroupResult.restore(id)`` reads that app's store."""
        app = app or cls._bound or ambient.get_current_app()
        store = backend or app.store
        if store is None:
            raise NotImplementedError(NO_STORE)
        found = saved_by(store).restore(id)
        return None if found is None else cast("GroupResult", result_from_tuple(found, app))

    @classmethod
    async def arestore(
        cls, id: str, backend: "Store | None" = None, app: "Umbel | None" = None
    ) -> "GroupResult | None":
        """``restore``, for coroutines."""
        return await asyncio.to_thread(cls.restore, id, backend, app)

    def as_tuple(self) -> tuple[Any, Any]:
        """``((id, parent), [member, …])``: what ``result_from_tuple`` reads."""
        return tuple_of(self)

    def members_as_tuples(self) -> list[Any]:
        """The tuples of its members."""
        return [result.as_tuple() for result in self.results]

    def as_list(self) -> list[str]:
        """The ids of the group, its members and what ran before."""
        before = self.parent.as_list() if self.parent is not None else []
        return [str(self.id), *(leaf.id for leaf in self.leaves()), *before]

    def __str__(self) -> str:
        return f"{self.id}({', '.join(map(str, self.results))})"

    def __repr__(self) -> str:
        return f"<GroupResult: {self.id} [{', '.join(map(str, self.results))}]>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, GroupResult):
            return (other.id, other.results, other.parent) == (self.id, self.results, self.parent)
        return other == self.id if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> Any:
        return GroupResult, (self.id, self.results, self.parent)


def saved_by(store: "Store") -> Groups:
    """Where a store saves groups. Raises ``NotImplementedError`` where it does not."""
    if not isinstance(store, CanSaveGroups):
        raise NotImplementedError(
            f"the result store {type(store).__name__} does not save groups: keep as_tuple() of the result as JSON, "
            "and read it with app.result_from_tuple()"
        )
    return store.groups


def bound(app: "Umbel") -> type[GroupResult]:
    """``GroupResult`` for this app."""
    return type("GroupResult", (GroupResult,), {"__module__": __name__, "_bound": app})


def result_from_tuple(value: Any, app: "Umbel | None" = None) -> Any:
    """The handle that ``as_tuple`` described: an ``AsyncResult``, or a ``GroupResult``."""
    line = []
    while value and not isinstance(value, AsyncResult | ResultSet):
        try:
            head, children = value
            id, parent = head if isinstance(head, list | tuple) else (head, None)
        except (TypeError, ValueError):
            raise ImproperlyConfigured(f"not the tuple of a result: {value!r}") from None
        line.append((id, children))
        value = parent
    found = value or None
    for id, children in reversed(line):
        if children is None:
            found = AsyncResult(id, app=app, parent=found)
        else:
            found = GroupResult(id, [result_from_tuple(child, app) for child in children], found, app=app)
    return found
