"""``umbel worker``: options into ``WorkerOptions``, the banner, and the worker's own status."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import click

from umbel import Umbel
from umbel.beat import BeatOptions, Embedded
from umbel.cli import daemon
from umbel.cli.banner import show_banner
from umbel.cli.daemon import daemon_options
from umbel.cli.desk import depths, names
from umbel.cli.find import application, load_tasks, refuse_unreachable
from umbel.cli.group import Command
from umbel.cli.screen import note
from umbel.cli.session import session
from umbel.cli.tail import assign, tail
from umbel.core.errors import ImproperlyConfigured
from umbel.worker import Banner, run
from umbel.worker.names import expanded, nodename
from umbel.worker.options import WorkerOptions
from umbel.worker.plan import POOLS, chosen_pool, usable_cpus

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL")

BY_DESIGN = {
    "--without-gossip": None,
    "--without-mingle": None,
    "--without-heartbeat": None,
    "-S/--statedb": "FILE",  # what is revoked is kept in the broker
}
LATER = {
    "--autoscale": "MAX,MIN",
    "--heartbeat-interval": "SECONDS",
}


def pool_of(_context: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    """A lane that exists, and whose library is there."""
    try:
        return None if name is None else chosen_pool(name)
    except ImproperlyConfigured as error:
        raise click.BadParameter(str(error)) from error


def not_built(_context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Refuse an option of Celery's that does nothing here yet: one that is read and ignored is worse than none."""
    if value:
        raise click.UsageError(f"{parameter.opts[-1]} is not built yet; leave it out")


def width_of(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    """A number, or ``auto``: as many as there are processors. Under Celery's name 0 is the default."""
    if text is None:
        return None
    if text.lower() == "auto":
        return usable_cpus()
    if not text.isdecimal() or (text == "0" and not session().face.is_celery):
        raise click.BadParameter(f"{text!r} is neither a number of at least 1 nor auto")
    return int(text) or None


def celery_options(function: Any) -> Any:
    """The options that are accepted because Umbel works that way, and those that are not built."""
    for options, callback in ((BY_DESIGN, None), (LATER, not_built)):
        for spelled, value in options.items():
            kind: dict[str, Any] = {"is_flag": True} if value is None else {"metavar": value}
            option = click.option(*spelled.split("/"), expose_value=False, hidden=True, callback=callback, **kind)
            function = option(function)
    return function


def embedded(app: Umbel, schedule: str | None, scheduler: str | None) -> Callable[[], Embedded]:
    """The beat of ``-B``. What is wrong with its schedules is said before the worker starts."""
    if schedule is not None:
        app.conf.beat_schedule_filename = schedule
    app.schedules.configured()
    return lambda: Embedded(app, BeatOptions(scheduler=scheduler))


@click.command("worker", cls=Command)
@click.option("-Q", "--queues", metavar="A,B", help="Read these queues.")
@click.option("-X", "--exclude-queues", metavar="A,B", help="Read all declared queues but these.")
@click.option("-P", "--pool", callback=pool_of, metavar="LANE", help=f"One of: {', '.join(POOLS)} (default: prefork).")
@click.option(
    "-c", "--concurrency", callback=width_of, metavar="N", help="Processes of prefork; else slots per process; or auto."
)
@click.option("--processes", type=click.IntRange(1), metavar="N", help="Processes, where each has many slots.")
@click.option("--max-tasks-per-child", type=click.IntRange(1), metavar="N", help="Replace a process after N tasks.")
@click.option("--max-memory-per-child", type=click.IntRange(1), metavar="KIB", help="Replace a process above KIB.")
@click.option(
    "--pool-start-method",
    "start_method",
    type=click.Choice(["forkserver", "fork", "spawn"]),
    help="How processes are started.",
)
@click.option("-n", "--hostname", metavar="NAME", help="The worker's name; %h host, %n its first part, %d its domain.")
@click.option("-l", "--loglevel", type=click.Choice(LEVELS, case_sensitive=False), help="Default: WARNING.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("-f", "--logfile", metavar="FILE", help="Log there; %n, %h: parts of the name, %i, %I: the process.")
@click.option("--health-socket", metavar="PATH", help="Answer umbel health --socket there, too.")
@click.option("-I", "--include", metavar="A,B", help="Import these modules too.")
@click.option("--prefetch-multiplier", type=click.IntRange(0), help="Messages in hand per process (default: adaptive).")
@click.option("--time-limit", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="End a task then.")
@click.option(
    "--soft-time-limit", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Raise in a task then."
)
@click.option("--disable-prefetch", is_flag=True, help="Claim no message before there is a place for it.")
@click.option("--purge", "--discard", is_flag=True, help="Delete what waits first.")
@click.option("-E", "--task-events", "--events", is_flag=True, help="Accepted; task events are not built yet.")
@click.option("-B", "--beat", is_flag=True, help="Run a beat inside it; safe on every worker.")
@click.option("-s", "--schedule", "--schedule-filename", metavar="FILE", help="For -B: as for umbel beat.")
@click.option("--scheduler", metavar="CLASS", help="For -B: as for umbel beat.")
@daemon_options
@click.option("-O", "--optimization", type=click.Choice(["default", "fair"]), expose_value=False, hidden=True)
@celery_options
@click.argument("settings", nargs=-1, metavar="[-- SETTING=VALUE]...", callback=tail)
def command(
    queues: str | None,
    exclude_queues: str | None,
    include: str | None,
    settings: dict[str, Any],
    disable_prefetch: bool,
    task_events: bool,
    beat: bool,
    schedule: str | None,
    scheduler: str | None,
    detach: bool,
    pidfile: str | None,
    uid: str | None,
    gid: str | None,
    umask: int | None,
    executable: str | None,
    **options: Any,
) -> int:
    """Run a worker until it is told to stop (Ctrl-C, SIGTERM)."""
    if (schedule or scheduler) and not beat:
        raise click.UsageError(f"--{'schedule' if schedule else 'scheduler'} is for the beat inside: say -B too")
    app = application()
    conf = app.conf
    if disable_prefetch:
        settings = {**settings, "worker_disable_prefetch": True}
    assign(conf, settings)
    if detach and not daemon.is_detached():
        if options["logfile"] is None and conf.worker_logfile is None:
            note("umbel: what a worker in the background logs is lost without --logfile")
        return daemon.detach(executable or conf.worker_executable)
    daemon.become_user(uid or conf.worker_uid, gid or conf.worker_gid, conf.worker_umask if umask is None else umask)
    load_tasks(app, names(include))
    refuse_unreachable(app)
    if app.broker.features.reach != "network":
        depths(app)  # a file that cannot be used now is for the user to mend: waiting, as for a server, mends nothing
    if task_events:
        note("umbel: task events are not built yet; the worker runs without them")
    this = WorkerOptions(
        queues=tuple(names(queues)) or None,
        exclude_queues=tuple(names(exclude_queues)),
        include=tuple(names(include)),
        settings=settings,
        color=False if session().is_plain else None,
        **options,
    )
    node = nodename(this.hostname)
    logfile, pid_path = this.logfile or conf.worker_logfile, pidfile or conf.worker_pidfile

    def up(banner: Banner) -> None:
        show_banner(banner, app.tasks)
        daemon.is_up(logfile and expanded(logfile, node))

    inside = embedded(app, schedule, scheduler) if beat else nullcontext
    with daemon.numbered(pid_path and expanded(pid_path, node)):
        return run(app, this, on_banner=up, beside=inside, user_options=session().user_options)
