"""Serializers of one's own, by kombu's names: ``register``. A door: it only re-exports."""

from umbel.wire.serializers import register, unregister

__all__ = ["register", "unregister"]
