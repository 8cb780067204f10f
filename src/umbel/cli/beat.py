"""``umbel beat``: publishes what is due, alone or as one of many."""

from typing import Any

import click

from umbel import Umbel
from umbel.beat import BeatOptions, run
from umbel.cli import daemon
from umbel.cli.daemon import daemon_options
from umbel.cli.desk import depths
from umbel.cli.find import application, load_tasks, refuse_unreachable
from umbel.cli.group import Command
from umbel.cli.screen import note
from umbel.cli.session import session
from umbel.cli.tail import assign, tail
from umbel.cli.worker import LEVELS, not_built
from umbel.worker.log import log_setup, name_process, set_up
from umbel.worker.names import expanded, nodename


def check_files(app: Umbel) -> None:
    """Open a broker on this machine: what is wrong with it is for the user to mend, and waiting mends nothing."""
    if app.broker.features.reach != "network":
        depths(app)


def announce(app: Umbel) -> None:
    """Say what there is to do."""
    count = len(app.schedules.configured())
    note(f"umbel beat: {count} schedule{'' if count == 1 else 's'} of {app.main}, published to {app.broker.url}")


@click.command("beat", cls=Command)
@click.option("-s", "--schedule", metavar="FILE", help="Keep what is set at run time in this file or broker URL.")
@click.option("-S", "--scheduler", metavar="CLASS", help="Another scheduler class, by its dotted name.")
@click.option("--max-interval", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Longest sleep.")
@click.option("-l", "--loglevel", type=click.Choice(LEVELS, case_sensitive=False), help="Default: WARNING.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("-f", "--logfile", metavar="FILE", help="Log there; %n, %h: parts of the name.")
@click.option(
    "-n", "--hostname", metavar="NAME", help="Its name, of which files are named; %h host (default: beat@%h)."
)
@click.option("--enable-remote-control", is_flag=True, expose_value=False, hidden=True, callback=not_built)
@click.option("--no-enable-remote-control", is_flag=True, expose_value=False, hidden=True)
@daemon_options
@click.argument("settings", nargs=-1, metavar="[-- SETTING=VALUE]...", callback=tail)
def command(
    settings: dict[str, Any],
    hostname: str | None,
    schedule: str | None,
    scheduler: str | None,
    max_interval: float | None,
    loglevel: str | None,
    log_format: str,
    logfile: str | None,
    detach: bool,
    pidfile: str | None,
    uid: str | None,
    gid: str | None,
    umask: int | None,
    executable: str | None,
) -> int:
    """Publish what is due until told to stop (Ctrl-C, SIGTERM).

    Any number of beats may run, anywhere: one leads, and another takes over when it dies.
    """
    app = application()
    conf = app.conf
    assign(conf, settings)
    logfile, pidfile = logfile or conf.beat_logfile, pidfile or conf.beat_pidfile
    if detach and not daemon.is_detached():
        if logfile is None:
            note("umbel: what a beat in the background logs is lost without --logfile")
        return daemon.detach(executable or conf.beat_executable)
    daemon.become_user(uid or conf.beat_uid, gid or conf.beat_gid, conf.beat_umask if umask is None else umask)
    load_tasks(app)
    refuse_unreachable(app)
    if schedule is not None:
        conf.beat_schedule_filename = schedule
    check_files(app)
    node = nodename(hostname or "beat@%h")
    name_process("Beat")
    color = False if session().is_plain else None
    set_up(log_setup(app, node, loglevel=loglevel, log_format=log_format, logfile=logfile, color=color))
    with daemon.numbered(pidfile and expanded(pidfile, node)):
        announce(app)
        daemon.is_up(logfile and expanded(logfile, node))
        return run(app, BeatOptions(max_interval=max_interval, scheduler=scheduler))
