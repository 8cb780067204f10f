"""Workflows as they travel: signatures as plain data, sent as Celery's client sends them."""

import uuid
from typing import Any

from tests.worker.fleet import Farm, until
from umbel.app.calling import keep, put_first
from umbel.core import states
from umbel.core.record import Record
from umbel.core.unfolding import unfold

Sig = dict[str, Any]
SUBJECTS = "tests.worker.subjects."


def sig(task: str, *args: Any, immutable: bool = False, **options: Any) -> Sig:
    """A task's signature."""
    return {
        "task": task if "." in task else SUBJECTS + task,
        "args": list(args),
        "kwargs": {},
        "options": options,
        "subtask_type": None,
        "immutable": immutable,
    }


def chain(*tasks: Sig, **options: Any) -> Sig:
    return _canvas("chain", {"tasks": list(tasks)}, options)


def group(*tasks: Sig, **options: Any) -> Sig:
    return _canvas("group", {"tasks": list(tasks)}, options)


def chord(header: list[Sig], body: Sig, **options: Any) -> Sig:
    return _canvas("chord", {"kwargs": {}, "header": header, "body": body}, options)


def _canvas(kind: str, kwargs: Sig, options: dict[str, Any]) -> Sig:
    return {
        "task": f"celery.{kind}",
        "args": [],
        "kwargs": kwargs,
        "options": options,
        "subtask_type": kind,
        "immutable": False,
    }


class Sent:
    """A workflow that was sent."""

    def __init__(self, farm: Farm, result: Any) -> None:
        self.farm = farm
        self.id, self.members = result[0][0], result[1]

    def record(self, task_id: str | None = None) -> Record | None:
        store = self.farm._app.store
        assert store is not None
        return store.sync.read([task_id or self.id]).get(task_id or self.id)

    def ended(self, within: float = 20.0) -> Record:
        """The record of a workflow that ends in one task."""

        def ready() -> Record | None:
            record = self.record()
            return record if record is not None and record.status in states.READY_STATES else None

        record = until(ready, within, what=f"the end of {self.id}; {self.farm.said()}")
        assert record is not None
        return record

    def value(self, within: float = 20.0) -> Any:
        """What it returned. A group's are a list."""
        if self.members is not None:
            return [Sent(self.farm, member).value(within) for member in self.members]
        record = self.ended(within)
        assert record.status == states.SUCCESS, record
        return record.result


def send(farm: Farm, signature: Sig, *args: Any, **options: Any) -> Sent:
    """Send it as a client does: joins are opened first."""
    app = farm._app
    unfolded = unfold(signature, args, options=options, new_id=lambda: str(uuid.uuid4()), keep=keep(app))
    put_first(app, unfolded)
    build = app.client.build
    messages = [build(one.task, one.args, one.kwargs, one.options, one.embed) for one in unfolded.calls]
    app.client.publish(messages)
    return Sent(farm, unfolded.result)
