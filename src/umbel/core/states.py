"""The states of a task, and which may follow which. Names and values are Celery's; data only.

``PENDING`` is never stored: it means that nothing is known. Any other text is a custom state, set by ``update_state``.
"""

from typing import Final

PENDING: Final = "PENDING"
RECEIVED: Final = "RECEIVED"
STARTED: Final = "STARTED"
SUCCESS: Final = "SUCCESS"
FAILURE: Final = "FAILURE"
RETRY: Final = "RETRY"
REVOKED: Final = "REVOKED"
REJECTED: Final = "REJECTED"
IGNORED: Final = "IGNORED"

READY_STATES: Final = frozenset({SUCCESS, FAILURE, REVOKED})
UNREADY_STATES: Final = frozenset({PENDING, RECEIVED, STARTED, REJECTED, RETRY})
EXCEPTION_STATES: Final = frozenset({RETRY, FAILURE, REVOKED})
PROPAGATE_STATES: Final = frozenset({FAILURE, REVOKED})
ALL_STATES: Final = READY_STATES | UNREADY_STATES | {IGNORED}

PRECEDENCE: Final = (SUCCESS, FAILURE, None, REVOKED, STARTED, RECEIVED, REJECTED, RETRY, PENDING)
"""The strongest first: of two reports about one task, the stronger is believed. None stands for custom states."""

_RANK: Final = {state: rank for rank, state in enumerate(PRECEDENCE)}

_CUSTOM: Final = "a custom state"
_STORED: Final = ALL_STATES - {PENDING} | {_CUSTOM}

TRANSITIONS: Final = {
    PENDING: _STORED,
    RECEIVED: _STORED - {RECEIVED},
    STARTED: _STORED - {RECEIVED},  # started again after a loss
    _CUSTOM: _STORED - {RECEIVED},
    RETRY: _STORED,
    REJECTED: _STORED,
    IGNORED: _STORED,  # delivered twice, ignored once
    FAILURE: _STORED,  # an operator sent it again
    REVOKED: _STORED,  # likewise
    SUCCESS: frozenset[str](),  # a result that somebody may have read never changes
}
"""What may be stored after what. One row holds for all custom states."""


def may_follow(old: str, new: str) -> bool:
    """Whether ``new`` may be stored where ``old`` is."""
    return (new if new in ALL_STATES else _CUSTOM) in TRANSITIONS[old if old in ALL_STATES else _CUSTOM]


def precedence(state: str | None) -> int:
    """The rank of a state: 0 is the strongest."""
    return _RANK.get(state, _RANK[None])
