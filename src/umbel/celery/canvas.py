"""Celery's ``canvas``. A door: it only re-exports."""

from umbel.app.canvas import chain, chord, chunks, group, xmap, xstarmap
from umbel.app.signature import Signature, maybe_signature, signature
from umbel.app.stamping import StampingVisitor

subtask = signature

__all__ = [
    "Signature",
    "StampingVisitor",
    "chain",
    "chord",
    "chunks",
    "group",
    "maybe_signature",
    "signature",
    "subtask",
    "xmap",
    "xstarmap",
]
