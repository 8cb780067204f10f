"""A real Celery that signs; runs in an environment of ``environments``. Reads orders on standard input, line by line.

``sign VALUE`` (JSON) is answered with what it signs; ``read DATA`` with the value, or with the name of the error.
"""

import json
import sys

from celery import Celery  # type: ignore[import-not-found]  # a dependency of the other environment
from kombu.serialization import dumps, loads  # type: ignore[import-not-found]  # likewise

key, certificate, store = sys.argv[1:]
app = Celery("signed", set_as_current=False)
app.conf.update(
    task_serializer="auth",
    accept_content=["auth"],
    security_key=key,
    security_certificate=certificate,
    security_cert_store=store,
)
app.setup_security()
for line in sys.stdin:
    order, _, rest = line.rstrip("\n").partition(" ")
    try:
        if order == "sign":
            answer = dumps(json.loads(rest), serializer="auth")
        else:
            answer = loads(rest, "application/data", "utf-8", accept={"application/data"})
    except Exception as error:  # noqa: BLE001  its name is the answer
        answer = type(error).__name__
    sys.stdout.write(json.dumps(answer) + "\n")
