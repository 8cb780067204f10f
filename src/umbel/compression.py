"""Ways of compression of one's own, by kombu's names: ``register``. A door: it only re-exports."""

from umbel.wire.compression import register

__all__ = ["register"]
