"""The recorded program under Umbel."""

import json
import os
from typing import Any

from tests.interop.recorded import define
from umbel import Ignore, Reject, Umbel, signals

settings: dict[str, Any] = json.loads(os.environ["INTEROP_SETTINGS"])
app = Umbel("recorded", broker=settings.pop("broker_url"), backend=settings.pop("result_backend", None), **settings)
define(app, signals, expected=(Ignore, Reject))
