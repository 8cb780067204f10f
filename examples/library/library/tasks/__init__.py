"""The tasks. A worker imports this package, and so all of them."""

from library.tasks import covers, letters, loans, watching

__all__ = ["covers", "letters", "loans", "watching"]
