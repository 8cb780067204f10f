"""What an app hands out to read results and to build canvases, bound to it. Reads and sends nothing itself."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from umbel.app import groups, request, resultsets
from umbel.app.results import AsyncResult as Result
from umbel.app.signature import Signature, signature
from umbel.core.delivery import Outgoing

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.app.resultsets import ResultSet


class Handles:
    """The part of an app that makes handles."""

    def _self(self) -> "Umbel":
        return cast("Umbel", self)

    def AsyncResult(self, id: str, **fields: Any) -> Result[Any]:
        """The handle on the call with this id."""
        return Result(id, app=self._self(), **fields)

    @cached_property
    def GroupResult(self) -> "type[groups.GroupResult]":
        """The class of handles on the results of a group, for this app: ``app.GroupResult.restore(id)``."""
        return groups.bound(self._self())

    def ResultSet(self, results: Iterable[Any] = (), **fields: Any) -> "ResultSet":
        """The handle on several results."""
        return resultsets.ResultSet(results, app=self._self(), **fields)

    def result_from_tuple(self, value: Any) -> Any:
        """The handle that ``as_tuple`` of a result described."""
        return groups.result_from_tuple(value, self._self())

    def signature(self, varies: Any, *args: Any, **kwargs: Any) -> Signature[Any]:
        """A signature of a task's name or of a dict, bound to this app. See ``umbel.signature``."""
        return signature(varies, *args, **kwargs, app=self._self())

    def handle(self, outgoing: Outgoing, options: Mapping[str, Any]) -> Result[Any]:
        """The handle on a call that was sent; the running task remembers it as its child."""
        headers = outgoing.message.headers
        result: Result[Any] = Result(
            headers.id,
            None,
            headers.task,
            self._self(),
            queue=outgoing.queue,
            ignored=bool(headers.ignore_result),
        )
        if options.get("add_to_parent", True):
            self.remember(result)
        return result

    def remember(self, result: Any) -> None:
        """Add a result to the children of the task that runs here, if one does."""
        context = request.current.get()
        if context is None or context.called_directly:
            return
        parent = self._self().all_tasks.get(context.task or "")
        if parent is None or parent.trail:
            context.children.append(result)
