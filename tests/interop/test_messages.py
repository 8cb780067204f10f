"""Messages that are no tasks, on one Redis: the real kombu reads what Umbel's publishes, and the other way."""

import json
import subprocess

from tests.interop.environments import need
from umbel.celery.kombu import Connection

REAL = """\
import json, sys
from kombu import Connection
with Connection(sys.argv[1]) as connection, connection.SimpleQueue("raw") as queue:
    message = queue.get(timeout=20)
    print(json.dumps([message.payload, message.headers, message.content_type]))
    message.ack()
    queue.put({"back": [1]}, headers={"z": 2}, compression="zlib")
"""


def test_each_reads_the_others(version: str, redis_url: str) -> None:
    with Connection(redis_url) as connection:
        connection.Producer().publish({"there": 1}, routing_key="raw", headers={"by": "me"}, compression="gzip")
        real = [str(need(version)), "-c", REAL, redis_url]
        done = subprocess.run(real, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        payload, headers, kind = json.loads(done.stdout)
        assert (payload, headers["by"], kind) == ({"there": 1}, "me", "application/json")
        with connection.SimpleQueue("raw") as queue:
            message = queue.get(timeout=20)
            assert (message.payload, message.headers["z"]) == ({"back": [1]}, 2)
            message.ack()
