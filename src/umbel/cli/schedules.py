"""``umbel schedules``: what beat calls and when; to look at, to change, to call out of turn."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from umbel import Umbel
from umbel.app.schedules import Scheduled
from umbel.cli.call import document
from umbel.cli.find import application, load_tasks, refuse_unreachable
from umbel.cli.group import Group
from umbel.cli.screen import json_option, note, refuse, show_json
from umbel.cli.session import session
from umbel.cli.tables import show_table
from umbel.core.schedule import crontab, solar

T = TypeVar("T")

name_argument = click.argument("name")
names_argument = click.argument("names", nargs=-1, required=True, metavar="NAME...")
WAYS = ("every", "cron", "at", "sun")


@click.group("schedules", cls=Group)
@click.option("-s", "--schedule", metavar="FILE", help="Where they are kept, if not in the broker; as for umbel beat.")
@json_option
@click.pass_context
def command(context: click.Context, schedule: str | None, as_json: bool) -> None:
    """Schedules: alone, list them."""
    session().schedule_place = schedule
    if context.invoked_subcommand is None:
        show_all(as_json=as_json)


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """All of them, by name."""
    show_all(as_json=as_json)


@command.command("show")
@name_argument
@json_option
def show(name: str, as_json: bool) -> None:
    """All that is known of one."""
    found = asked(lambda app: app.schedules.get(name))
    if as_json:
        show_json(plain(found))
        return
    for key, value in plain(found).items():
        if value not in (None, "", [], {}, False):
            click.echo(f"{key:<10} {value}")


@command.command("next")
@click.argument("name", required=False)
@click.option("-n", "--count", default=10, show_default=True, type=click.IntRange(1), help="So many ticks.")
@json_option
def next_(name: str | None, count: int, as_json: bool) -> None:
    """What is due next, of all or of one."""
    ticks = asked(lambda app: app.schedules.next(count, name))
    if as_json:
        show_json([{"at": due.isoformat(), "name": which} for due, which in ticks])
    elif ticks:
        show_table(("at (UTC)", "name"), [(when(due), which) for due, which in ticks])
    else:
        note("nothing is due any more")


@command.command("set")
@name_argument
@click.argument("task")
@click.option("--every", type=float, metavar="SECONDS", help="Every so many seconds.")
@click.option("--cron", metavar="LINE", help="As a line of cron: minute hour day month weekday [second].")
@click.option("--at", metavar="TIME", help="Once, at this time (ISO 8601; without an offset it is UTC).")
@click.option("--sun", metavar="EVENT,LAT,LON", help="At a solar event: sunset,52.5,13.4")
@click.option("--timezone", metavar="ZONE", help="The zone of --cron, such as Europe/Berlin.")
@click.option("-a", "--args", callback=document(list, "JSON list"), help="Positional arguments as a JSON list.")
@click.option("-k", "--kwargs", callback=document(dict, "JSON object"), help="Keyword arguments as a JSON object.")
@click.option("-o", "--options", callback=document(dict, "JSON object"), help="Options of the call: queue, expires, …")
@click.option("--catch-up", type=click.Choice(["skip", "once", "all"]), help="What becomes of missed ticks.")
@click.option("--max-age", type=float, metavar="SECONDS", help="Missed ticks older than this are not run.")
@click.option("--jitter", type=float, metavar="SECONDS", help="Send up to so much later, by chance.")
@click.option("--start", metavar="TIME", help="Not before this time.")
@click.option("--end", metavar="TIME", help="Not after this time.")
@click.option("--max-runs", type=click.IntRange(1), metavar="N", help="So often, and no more.")
@json_option
def set_(name: str, task: str, as_json: bool, **given: Any) -> None:
    """Make a schedule NAME that calls TASK, or change the one of this name."""
    ways = [way for way in WAYS if given[way] is not None]
    if len(ways) != 1:
        raise click.UsageError(f"say when by one of {', '.join(f'--{way}' for way in WAYS)}")
    keys = {key: value for key, value in given.items() if key not in WAYS and value is not None}
    found = asked(lambda app: app.schedules.set(name, task, timing(ways[0], given[ways[0]]), **keys))
    if as_json:
        show_json(plain(found))
    else:
        click.echo(f"{name}: {found.entry.schedule.human_readable}; next {when(found.next)}")


@command.command("pause")
@names_argument
def pause(names: tuple[str, ...]) -> None:
    """Let schedules rest."""
    for name in names:
        asked(lambda app, name=name: app.schedules.pause(name))  # type: ignore[misc]
        click.echo(f"{name} is paused")


@command.command("resume")
@names_argument
def resume(names: tuple[str, ...]) -> None:
    """End their rest. What came due meanwhile is not caught up."""
    for name in names:
        asked(lambda app, name=name: app.schedules.resume(name))  # type: ignore[misc]
        click.echo(f"{name} goes on")


@command.command("delete")
@names_argument
def delete(names: tuple[str, ...]) -> None:
    """Delete schedules that were set at run time."""
    for name in names:
        asked(lambda app, name=name: app.schedules.delete(name))  # type: ignore[misc]
        click.echo(f"{name} is deleted")


@command.command("trigger")
@name_argument
@json_option
def trigger(name: str, as_json: bool) -> None:
    """Call its task now, and print the id of the call."""
    call = asked(lambda app: app.schedules.trigger(name))
    show_json({"id": call.id}) if as_json else click.echo(call.id)


@command.command("backfill")
@name_argument
@click.argument("start")
@click.argument("end")
@json_option
def backfill(name: str, start: str, end: str, as_json: bool) -> None:
    """Call its task once for each time from START up to END (ISO 8601) that it is due."""
    first, last = moment(start), moment(end)
    calls = asked(lambda app: app.schedules.backfill(name, first, last))
    if as_json:
        show_json([{"id": call.id} for call in calls])
    else:
        click.echo(f"{len(calls):,} calls sent")


def asked(question: Callable[[Umbel], T]) -> T:
    """Put a question to the application. What the user can mend is one line."""
    app = application()
    load_tasks(app)
    refuse_unreachable(app)
    if session().schedule_place is not None:
        app.conf.beat_schedule_filename = session().schedule_place
    try:
        return question(app)
    except KeyError as error:
        refuse(str(error.args[0]))
    except ValueError as error:
        refuse(str(error))


def show_all(*, as_json: bool) -> None:
    """List them."""
    found = asked(lambda app: list(app.schedules))
    if as_json:
        show_json([plain(one) for one in found])
    elif found:
        rows = [
            (
                one.name,
                one.entry.task,
                one.entry.schedule.human_readable,
                "paused" if one.entry.paused else when(one.next),
            )
            for one in found
        ]
        show_table(("name", "task", "schedule", "next (UTC)"), rows)
    else:
        note("no schedules; umbel schedules set --help says how to make one")


def plain(one: Scheduled) -> dict[str, Any]:
    """A schedule as JSON and as a list of lines have it."""
    entry = one.entry
    return {
        "name": one.name,
        "task": entry.task,
        "schedule": entry.schedule.human_readable,
        "args": list(entry.args),
        "kwargs": entry.kwargs,
        "options": entry.options,
        "paused": entry.paused,
        "next": iso(one.next),
        "last": iso(one.last),
        "runs": one.runs,
        "catch_up": entry.catch_up,
        "max_age": entry.max_age,
        "jitter": entry.jitter,
        "start": iso(entry.start),
        "end": iso(entry.end),
        "max_runs": entry.max_runs,
        "from": "set at run time" if entry.stored else "the application's code",
    }


def timing(way: str, value: Any) -> Any:
    """The schedule that an option of ``set`` means."""
    if way == "cron":
        return crontab.from_string(value)
    if way == "at":
        return moment(value)
    if way == "sun":
        event, *place = value.split(",")
        try:
            lat, lon = map(float, place)
        except ValueError:
            raise click.BadParameter(f"{value!r} is no event and place, such as sunset,52.5,13.4") from None
        return solar(event, lat, lon)
    return value


def moment(text: str) -> datetime:
    """A time in ISO 8601; without an offset it is UTC. Raises ``BadParameter``."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time such as 2026-11-20T15:00:00+00:00") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def iso(due: datetime | None) -> str | None:
    """A time for programs."""
    return None if due is None else due.isoformat()


def when(due: datetime | None) -> str:
    """A time for people, in UTC."""
    return "never" if due is None else due.astimezone(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
