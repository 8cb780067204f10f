"""``app.control``: orders about tasks that were sent already. Leaves marks in the broker; knows no worker."""

import signal as signals
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from umbel.app import coroutine
from umbel.core.delivery import Revocation
from umbel.core.errors import ImproperlyConfigured
from umbel.core.revoking import by_stamps

if TYPE_CHECKING:
    from umbel.app.application import Umbel

Signal = str | int | None
"""The signal that ends a running task: its name, with or without ``SIG``, or its number; None is SIGTERM."""


class Control:
    """What can be ordered of the tasks of an app. Celery's names."""

    def __init__(self, app: "Umbel") -> None:
        self._app = app

    def revoke(
        self,
        task_id: str | Iterable[str],
        destination: Sequence[str] | None = None,
        terminate: bool = False,
        signal: Signal = None,
        reply: bool = False,
    ) -> None:
        """Mark one task or many in the broker, so that no worker starts them, also none that starts later.

        ``terminate`` ends them where they run already, within a second or so. The marks are there when this returns,
        and stay for ``worker_revoke_expires`` (three hours). Raises ``ValueError`` for a ``signal`` that there is not,
        and ``ImproperlyConfigured`` for ``destination`` and ``reply``: the mark is for all workers, and none answers.
        """
        coroutine.run(self.arevoke(task_id, destination, terminate, signal, reply))

    async def arevoke(
        self,
        task_id: str | Iterable[str],
        destination: Sequence[str] | None = None,
        terminate: bool = False,
        signal: Signal = None,
        reply: bool = False,
    ) -> None:
        """``revoke``, for coroutines."""
        if destination is not None or reply:
            raise ImproperlyConfigured(
                "revoke(destination=..., reply=...): the mark is kept in the broker for all workers, and none answers; "
                "leave it out"
            )
        if marks := marks_of(task_id, terminate=terminate, signal=signal):
            await self._app.connections.revoke(marks)

    def revoke_by_stamped_headers(
        self,
        headers: Mapping[str, Any],
        destination: Sequence[str] | None = None,
        terminate: bool = False,
        signal: Signal = None,
        reply: bool = False,
    ) -> None:
        """``revoke`` for all tasks that carry any of these stamps, also those that are sent within three hours.

        ``headers`` is ``{"order": "A-7"}``; a value may be a list of values. Values are compared as text.
        """
        coroutine.run(self.arevoke_by_stamped_headers(headers, destination, terminate, signal, reply))

    async def arevoke_by_stamped_headers(
        self,
        headers: Mapping[str, Any],
        destination: Sequence[str] | None = None,
        terminate: bool = False,
        signal: Signal = None,
        reply: bool = False,
    ) -> None:
        """``revoke_by_stamped_headers``, for coroutines."""
        await self.arevoke(by_stamps(headers), destination, terminate, signal, reply)

    def terminate(self, task_id: str | Iterable[str], signal: Signal = None) -> None:
        """``revoke`` with ``terminate``."""
        self.revoke(task_id, terminate=True, signal=signal)


def marks_of(task_id: str | Iterable[str], *, terminate: bool, signal: Signal) -> list[Revocation]:
    """The marks for one id or many, each id once."""
    ids = [task_id] if isinstance(task_id, str) else list(dict.fromkeys(task_id))
    name = signal_name(signal)
    return [Revocation(id, name if terminate else None) for id in ids]


def signal_name(signal: Signal) -> str:
    """The name of a signal as marks have it. Raises ``ValueError`` where there is no such signal."""
    if signal is None:
        return "SIGTERM"
    try:
        if isinstance(signal, int):
            return signals.Signals(signal).name
        name = signal.upper()
        return signals.Signals[name if name.startswith("SIG") else f"SIG{name}"].name
    except (KeyError, ValueError):
        raise ValueError(f"no signal {signal!r} on this system; SIGTERM is one") from None
