"""The seam around a task's execution, which Celery calls ``build_tracer``. Holds who stands in it; nobody, as a rule.

What stands there is set by ``umbel.celery.app.trace`` when that is imported. It is asked on the lane, before a task
runs for the first time, because it is user code.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from umbel.app.request import Context
    from umbel.app.traits import Traits

Traced = Callable[["Traits", "Context", Any, Any, Any], Any]
"""As ``execution.execute``."""


class Seam:
    """Where to find what runs tasks in ``execute``'s stead."""

    def __init__(self) -> None:
        self.traced: Traced | None = None
        """None: nobody, and ``execute`` itself runs them."""
        self.unable: Callable[[Traits, str], None] = lambda traits, nodename: None
        """Told where calls share a thread, so that nothing can stand around one of them."""


SEAM = Seam()
