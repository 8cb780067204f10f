"""What a backend in Celery's shape is told of a task: that it began, ended, failed. Each is one ``store_result``."""

from typing import Any

from umbel.core import states
from umbel.core.errors import TaskRevokedError


class Marking:
    """The part of a backend that is told what became of a task. It stores, and does nothing that follows from it."""

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        """Keep a state: defined beside this."""
        raise NotImplementedError

    def mark_as_started(self, task_id: str, **meta: Any) -> Any:
        """It has begun."""
        return self.store_result(task_id, meta, states.STARTED)

    def mark_as_done(
        self, task_id: str, result: Any, request: Any = None, store_result: bool = True, state: str = states.SUCCESS
    ) -> None:
        """It has succeeded."""
        if store_result:
            self.store_result(task_id, result, state, request=request)

    def mark_as_failure(
        self,
        task_id: str,
        exc: BaseException,
        traceback: str | None = None,
        request: Any = None,
        store_result: bool = True,
        call_errbacks: bool = True,
        state: str = states.FAILURE,
    ) -> None:
        """It has failed. Its errbacks are not called: they belong to the call, which a worker ends."""
        if store_result:
            self.store_result(task_id, exc, state, traceback=traceback, request=request)

    def mark_as_revoked(
        self,
        task_id: str,
        reason: str = "",
        request: Any = None,
        store_result: bool = True,
        state: str = states.REVOKED,
    ) -> None:
        """It is not run any more."""
        if store_result:
            self.store_result(task_id, TaskRevokedError(reason), state, traceback=None, request=request)

    def mark_as_retry(
        self,
        task_id: str,
        exc: BaseException,
        traceback: str | None = None,
        request: Any = None,
        store_result: bool = True,
        state: str = states.RETRY,
    ) -> Any:
        """It is run again."""
        return self.store_result(task_id, exc, state, traceback=traceback, request=request)

    def fail_from_current_stack(self, task_id: str, exc: BaseException | None = None) -> None:
        """It has failed with what is being handled."""
        import sys
        import traceback

        error = exc or sys.exception() or RuntimeError("unknown")
        self.mark_as_failure(task_id, error, traceback.format_exc())

    def chord_error_from_stack(self, callback: Any, exc: BaseException | None = None) -> None:
        """A chord's body cannot be called."""
        self.fail_from_current_stack(callback.id, exc)
