"""Periodic tasks: when something is due, and that it is published then."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from celery.schedules import crontab, schedule
from chapters.app import app

TICKS = Path(os.environ["NOTES"]).with_name("ticks")


@app.on_after_finalize.connect
def plan(sender, **kwargs):
    """Entries that are added by code."""
    sender.add_periodic_task(0.5, tick.s("half a second"), name="often")
    sender.add_periodic_task(crontab(minute=0, hour=5, day_of_week="sun"), tick.s("sunday"), expires=10)


@app.task
def tick(why):
    with TICKS.open("a") as ticks:
        ticks.write(why + "\n")


app.conf.beat_schedule = {
    "nightly": {"task": "chapters.periodic.tick", "schedule": crontab(minute=30, hour=2), "args": ("night",)},
    "every-second": {
        "task": "chapters.periodic.tick",
        "schedule": timedelta(seconds=1),
        "kwargs": {"why": "a second"},
        "options": {"expires": 30},
    },
}


def main(say):
    """Say when schedules are due."""
    monday = datetime(2024, 1, 1, 12, 0, tzinfo=UTC)
    cases = {
        "quarters": crontab(minute="*/15", nowfun=lambda: monday, app=app),
        "mornings": crontab(minute=30, hour="7-9", day_of_week="mon,wed-fri", nowfun=lambda: monday, app=app),
        "firsts": crontab(0, 0, day_of_month="1", month_of_year="*/3", nowfun=lambda: monday, app=app),
        "interval": schedule(90, nowfun=lambda: monday, app=app),
    }
    for name, when in cases.items():
        last = monday - timedelta(minutes=1)
        state = when.is_due(last)
        say(name, when if name != "interval" else "", state.is_due, round(state.next), when.remaining_estimate(last))
    say(crontab(minute=5) == crontab(minute="5"), crontab() != crontab(hour=3))
    say({"every-second", "nightly"} <= set(app.conf.beat_schedule))


def ticked():
    """Whether both entries with an interval were published more than once."""
    lines = TICKS.read_text().splitlines() if TICKS.exists() else []
    return min(lines.count("half a second"), lines.count("a second")) > 1
