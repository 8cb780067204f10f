"""Celery's ``contrib.testing.manager``: waiting for what calls come to. Asks results; asks no worker."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NoReturn, TextIO, TypeVar

from umbel.app.application import Umbel
from umbel.app.results import AsyncResult
from umbel.app.resultsets import ResultSet
from umbel.celery import offered
from umbel.core import states
from umbel.core.errors import OperationalError, TimeoutError

T = TypeVar("T")
Errors = tuple[type[BaseException], ...]

__all__ = ["Manager", "ManagerMixin", "Sentinel"]


class Sentinel(Exception):
    """What is waited for is not so yet."""


class ManagerMixin:
    """The methods of ``Manager``, for a class that has an ``app``."""

    app: Umbel
    no_join: bool
    stdout: TextIO
    stderr: TextIO
    connerrors: Errors = (OperationalError,)

    def _init_manager(
        self,
        block_timeout: float = 1800.0,
        no_join: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.block_timeout = block_timeout
        self.no_join = no_join
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr

    def remark(self, s: str, sep: str = "-") -> None:
        """Print a line."""
        print(f"{sep}{s}", file=self.stdout)

    def warn(self, s: str) -> None:
        """Print a line to standard error."""
        self.stderr.write(f"{s}\n")

    def missing_results(self, r: Sequence[AsyncResult[Any]]) -> list[str]:
        """The ids of the calls that have not ended."""
        return [result.id for result in r if not result.ready()]

    def wait_for(
        self,
        fun: Callable[..., T],
        catch: Errors,
        desc: str = "thing",
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        errback: Callable[[BaseException, float, int], Any] | None = None,
        max_retries: int | None = 10,
        interval_start: float = 0.1,
        interval_step: float = 0.5,
        interval_max: float = 5.0,
        emit_warning: bool = False,
    ) -> T:
        """Call ``fun`` until it raises none of ``catch``, with pauses that grow from ``interval_start``.

        Raises what it raised at last, after ``max_retries`` more calls.
        """
        for retries, pause in enumerate(_pauses(interval_start, interval_step, interval_max)):
            try:
                return fun(*args, **(kwargs or {}))
            except catch as error:
                if max_retries is not None and retries >= max_retries:
                    raise
                if emit_warning:
                    self.warn(f"Still waiting for {desc}; trying again in {pause:g} s: {error!r}")
                if errback is not None:
                    errback(error, pause, retries)
                self.app.clock.pause(pause)
        raise AssertionError("pauses never end")

    retry_over_time = wait_for

    def ensure_not_for_a_while(
        self,
        fun: Callable[..., Any],
        catch: Errors,
        desc: str = "thing",
        max_retries: int = 20,
        interval_start: float = 0.1,
        interval_step: float = 0.02,
        interval_max: float = 1.0,
        emit_warning: bool = False,
        **options: Any,
    ) -> None:
        """Raise ``AssertionError`` if ``fun`` does not go on raising one of ``catch``."""
        intervals: dict[str, Any] = {
            "interval_start": interval_start,
            "interval_step": interval_step,
            "interval_max": interval_max,
        }
        try:
            self.wait_for(fun, catch, desc, max_retries=max_retries, emit_warning=emit_warning, **intervals, **options)
        except catch:
            return
        raise AssertionError(f"Should not have happened: {desc}")

    def join(
        self, r: AsyncResult[Any] | ResultSet, propagate: bool = False, max_retries: int | None = 10, **options: Any
    ) -> Any:
        """The values of all calls. Says which are missing after each ``timeout``.

        Raises ``AssertionError`` after ``max_retries`` of them.
        """
        if self.no_join:
            return None
        results = r if isinstance(r, ResultSet) else self.app.ResultSet([r])
        for _ in range(max_retries) if max_retries else count():
            try:
                return results.get(propagate=propagate, **options)
            except TimeoutError as error:
                missing = self.missing_results(results.results)
                self.remark(f"Still waiting for {len(missing)}/{len(results)}: [{', '.join(missing)}]: {error!r}", "!")
            except self.connerrors as error:
                self.remark(f"join: connection lost: {error!r}", "!")
        raise AssertionError("Test failed: Missing task results")

    def assert_result_tasks_in_progress_or_completed(
        self, async_results: Sequence[AsyncResult[Any]], interval: float = 0.5, **policy: Any
    ) -> None:
        """Wait until all have started (tasks that ``track_started``) or have succeeded. Raises ``Sentinel``."""
        policy.setdefault("desc", "waiting for tasks to be started or completed")
        self.assert_task_state_from_result(self.is_result_task_in_progress, async_results, interval, **policy)

    def assert_task_state_from_result(
        self, fun: Callable[..., bool], results: Sequence[AsyncResult[Any]], interval: float = 0.5, **policy: Any
    ) -> None:
        """Wait until ``fun`` says yes to the results. Raises ``Sentinel``."""
        self.wait_for(lambda: self.true_or_raise(fun, results, timeout=interval), (Sentinel,), **policy)

    @staticmethod
    def is_result_task_in_progress(results: Sequence[AsyncResult[Any]], **kwargs: Any) -> bool:
        """Whether all have started or succeeded."""
        return all(result.state in (states.STARTED, states.SUCCESS) for result in results)

    def true_or_raise(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What ``fun`` returns; ``Sentinel`` where that is false."""
        found = fun(*args, **kwargs)
        if not found:
            raise Sentinel
        return found

    def _asks_workers(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError("this asks workers what they hold: remote control is not built yet; ask results")

    inspect = query_tasks = query_task_states = _asks_workers
    assert_accepted = assert_received = assert_task_worker_state = _asks_workers
    is_accepted = is_received = wait_until_idle = _asks_workers


class Manager(ManagerMixin):
    """What a test asks of ``app``."""

    def __init__(self, app: Umbel, **options: Any) -> None:
        self.app = app
        self._init_manager(**options)


def _pauses(start: float, step: float, longest: float) -> Iterator[float]:
    pause = start
    while True:
        yield min(pause, longest)
        pause += step


__getattr__ = offered.names_not_in(__name__)
