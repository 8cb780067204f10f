"""Reports to Sentry, from callers and workers: what would be sent is appended to the ledger, a JSON line an item."""

import json
import os

import sentry_sdk
from celery import Celery
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.transport import Transport


class Ledger(Transport):
    """A transport that keeps what it is handed on this machine."""

    def capture_envelope(self, envelope):
        with open(os.environ["LEDGER"], "a") as ledger:
            for item in envelope.items:
                said = item.get_event() or item.get_transaction_event()
                if said is not None:
                    ledger.write(json.dumps([item.type, said], default=repr) + "\n")


sentry_sdk.init(
    dsn="http://key@127.0.0.1:1/1",
    transport=Ledger,
    traces_sample_rate=1.0,
    send_default_pii=True,
    integrations=[CeleryIntegration()],
)
app = Celery("reported")


@app.task
def sell(item):
    with sentry_sdk.start_span(op="shop.count", name="counting"):
        return f"sold {item}"


@app.task
def refund(item):
    raise LookupError(item)


@app.task(bind=True, max_retries=1, default_retry_delay=0)
def again(self):
    if not self.request.retries:
        raise self.retry()
    return sentry_sdk.get_current_span().trace_id
