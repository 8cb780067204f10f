"""The requests of a task as Celery has them, a stack: for tests that run a body under a request of their own making.

Workers do not use it; what they put on top is not taken off here.
"""

from contextvars import Token
from typing import Any

from umbel.app import request
from umbel.app.request import Context


class Given(Context):
    """A request that somebody wrote: what was given holds, the rest is as outside of tasks."""

    def __getattribute__(self, name: str) -> Any:
        fields = object.__getattribute__(self, "__dict__")
        return fields[name] if name in fields else object.__getattribute__(self, name)


class RequestStack:
    """``task.request_stack``: requests of this thread or coroutine, whatever their task."""

    def push(self, context: Context) -> None:
        """Make it the current one."""
        context.__dict__["pushed"] = request.push(context)

    def pop(self) -> Context:
        """Go back to the one before, and return this one. Raises ``LookupError`` where nobody pushed one."""
        context = self.top
        token: Token[Context | None] | None = None if context is None else context.__dict__.pop("pushed", None)
        if context is None or token is None:
            raise LookupError("there is no request here that was pushed")
        request.pop(token)
        return context

    @property
    def top(self) -> Context | None:
        """The current one."""
        return request.current.get()


class Requests:
    """The part of a task that is about its requests."""

    request_stack = RequestStack()

    def push_request(self, *args: Any, **fields: Any) -> None:
        """Have ``self.request`` say this until ``pop_request``: ``task.push_request(id="x", retries=3)``."""
        self.request_stack.push(Given(**dict(*args, **fields)))

    def pop_request(self) -> Context:
        """Take it back. Raises ``LookupError`` where nobody pushed one."""
        return self.request_stack.pop()
