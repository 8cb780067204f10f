"""``--signal`` of the commands that end what runs."""

import click

from umbel.app.control import signal_name


def check_signal(signal: str | None, *, terminate: bool) -> None:
    """Raise ``UsageError`` for one that there is not, or that nothing would get."""
    if signal is None:
        return
    if not terminate:
        raise click.UsageError("--signal is for what runs: say --terminate too")
    try:
        signal_name(signal)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
