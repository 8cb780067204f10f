"""The subjects under Umbel."""

import json
import os
from typing import Any

from tests.interop.subjects import define
from umbel import Broadcast, Umbel

settings: dict[str, Any] = {"task_max_rest": None, **json.loads(os.environ["INTEROP_SETTINGS"])}
if "broadcast" in settings:
    name = settings.pop("broadcast")
    settings["task_queues"][name] = Broadcast(name)
app = define(
    Umbel("interop", broker=settings.pop("broker_url"), backend=settings.pop("result_backend", None), **settings)
)
