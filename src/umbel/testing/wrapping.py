"""Wraps what a broker makes, from outside: for failpoints and the witness. Changes nothing of what passes."""

from collections.abc import Callable, Sequence

from umbel.broker.base import Admin, Broker, Consumer
from umbel.core.delivery import ConsumerId


def wrap_parts(
    broker: Broker, consumer: Callable[[Consumer, Sequence[str]], None], keeper: Callable[[Admin], None]
) -> None:
    """Have every consumer (with the queues that it reads, none for a supervisor's) and every keeper changed."""
    make_consumer, make_keeper = broker.consumer, broker.keeper

    def made_consumer(id: ConsumerId, *, node: str, queues: Sequence[str]) -> Consumer:
        made = make_consumer(id, node=node, queues=queues)
        consumer(made, queues)
        return made

    def made_keeper(owner: Consumer) -> Admin:
        made = make_keeper(owner)
        keeper(made)
        return made

    broker.consumer, broker.keeper = made_consumer, made_keeper  # type: ignore[method-assign, assignment]
