"""``umbel beat``: publishes what is due, alone or as one of many."""

from typing import Any

import click

from umbel import Umbel
from umbel.beat import BeatOptions, run
from umbel.cli.desk import depths
from umbel.cli.find import application, load_tasks, refuse_unreachable
from umbel.cli.group import Command
from umbel.cli.screen import note
from umbel.cli.worker import LEVELS, not_built
from umbel.worker.log import log_setup, name_process, set_up
from umbel.worker.names import nodename

LATER = ("--detach", "-f/--logfile", "--pidfile", "--uid", "--gid", "--umask", "--executable")


def celery_options(function: Any) -> Any:
    """The options of Celery's that are not built."""
    for spelled in LATER:
        kind: dict[str, Any] = {"is_flag": True} if spelled == "--detach" else {"metavar": "VALUE"}
        function = click.option(*spelled.split("/"), expose_value=False, hidden=True, callback=not_built, **kind)(
            function
        )
    return function


def check_files(app: Umbel) -> None:
    """Open a broker on this machine: what is wrong with it is for the user to mend, and waiting mends nothing."""
    if app.broker.features.reach != "network":
        depths(app)


@click.command("beat", cls=Command)
@click.option("-s", "--schedule", metavar="FILE", help="Keep what is set at run time in this file or broker URL.")
@click.option("-S", "--scheduler", metavar="CLASS", help="Another scheduler class, by its dotted name.")
@click.option("--max-interval", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Longest sleep.")
@click.option("-l", "--loglevel", type=click.Choice(LEVELS, case_sensitive=False), help="Default: WARNING.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@celery_options
def command(
    schedule: str | None,
    scheduler: str | None,
    max_interval: float | None,
    loglevel: str | None,
    log_format: str,
) -> int:
    """Publish what is due until told to stop (Ctrl-C, SIGTERM).

    Any number of beats may run, anywhere: one leads, and another takes over when it dies.
    """
    app = application()
    load_tasks(app)
    refuse_unreachable(app)
    if schedule is not None:
        app.conf.beat_schedule_filename = schedule
    check_files(app)
    name_process("Beat")
    set_up(log_setup(app, nodename("beat@%h"), loglevel=loglevel, log_format=log_format))
    count = len(app.schedules.configured())
    note(f"umbel beat: {count} schedule{'' if count == 1 else 's'} of {app.main}, published to {app.broker.url}")
    return run(app, BeatOptions(max_interval=max_interval, scheduler=scheduler))
