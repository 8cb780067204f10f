"""Settings of beat. Rows of the table, nothing else."""

from umbel.app.parse import count, maybe, more_than_nothing, seconds, table, text, umask, user_or_group
from umbel.app.settings.setting import Setting, Values, by_design, later


class Beat(Values):
    """Beat."""

    beat_cron_starting_deadline = Setting(
        maybe(seconds), None, "Missed ticks of a crontab older than this are not run."
    )
    beat_enable_remote_control = later(False, "Listen to remote control.")
    beat_lease = Setting(more_than_nothing, 10.0, "Silence of a beat after which another one takes over.")
    beat_max_loop_interval = Setting(seconds, 0.0, "How long beat sleeps at most; 0: as its scheduler has it.")
    beat_remote_control_max_tick_age = later(None, "How old the last tick may be for beat to count as alive.")
    beat_schedule = Setting(table, {}, "What is called when: a name, and a dict with its task and its schedule.")
    beat_schedule_filename = Setting(
        text, "celerybeat-schedule", "Where schedules set at run time are kept, a file or a URL; unset: in the broker."
    )
    beat_scheduler = Setting(text, "celery.beat:PersistentScheduler", "Class of the scheduler; Celery's means Umbel's.")
    beat_sync_every = by_design(0, "Every tick is recorded in the step that publishes it, whatever this says.", count)
    beat_logfile = Setting(maybe(text), None, "File that beat logs to; %n, %h: parts of its name.")
    beat_pidfile = Setting(maybe(text), None, "File for the beat's process id; %n, %h: parts of its name.")
    beat_uid = Setting(maybe(user_or_group), None, "User, by name or number, that a beat started by root becomes.")
    beat_gid = Setting(maybe(user_or_group), None, "Group, by name or number, that a beat started by root becomes.")
    beat_umask = Setting(maybe(umask), None, "Permissions that files the beat makes do not get: octal digits.")
    beat_executable = Setting(maybe(text), None, "The Python that umbel beat --detach starts. None: the same.")
