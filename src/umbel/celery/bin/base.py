"""Celery's ``bin.base``: the classes of which options and commands of other packages are made. Does nothing itself."""

from typing import Any

import click

from umbel.celery import offered
from umbel.cli.group import Command


class CeleryOption(click.Option):
    """An option. ``help_group`` is the heading under which Celery lists it; here options have one list."""

    def __init__(self, *args: Any, help_group: str | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.help_group = help_group


class CeleryCommand(Command):
    """A command that takes the global options too."""


__all__ = ["CeleryCommand", "CeleryOption"]

__getattr__ = offered.names_not_in(__name__)
