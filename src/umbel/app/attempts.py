"""The attempts of one publish: how long each may take, and how long to wait in between. Sends nothing itself."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from umbel.app.config import Config
from umbel.core.errors import OperationalError

if TYPE_CHECKING:
    from umbel.app.application import Umbel


def policy_of(conf: Config, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The retry policy: that of the settings, with what the call's own says otherwise."""
    return {**conf.task_publish_retry_policy, **((options or {}).get("retry_policy") or {})}


class Attempts:
    """One publish, from its first attempt at ``started`` (monotonic) to the end of ``broker_publish_timeout``."""

    def __init__(self, app: "Umbel", options: Mapping[str, Any] | None, started: float) -> None:
        self.app = app
        self.options = options or {}
        self.clock = app.clock
        self.timeout = app.conf.broker_publish_timeout
        self.deadline = started + self.timeout
        self.count = 0

    def remaining(self) -> float:
        """Seconds that are left."""
        return max(self.deadline - self.clock.monotonic(), 0.0)

    def pause(self, error: OperationalError) -> float:
        """Seconds until the next attempt. Raises when there is none."""
        retry = self.options.get("retry")
        if self.app.conf.task_publish_retry if retry is None else retry:
            policy = policy_of(self.app.conf, self.options)
            most = policy.get("max_retries")
            start, step, top = (float(policy.get(f"interval_{name}") or 0) for name in ("start", "step", "max"))
            pause = min(start + step * self.count, top)
            self.count += 1
            if (most is None or self.count <= most) and pause < self.remaining():
                return pause
        raise OperationalError(
            f"cannot publish to {self.app.broker.url}: {error}. Nothing was sent (given up within {self.timeout:g} s); "
            "check that the broker is there and may be written to, then call again"
        ) from error
