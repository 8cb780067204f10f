"""Settings of beat. Rows of the table, nothing else."""

from umbel.app.settings.setting import Values, later


class Beat(Values):
    """Beat."""

    beat_cron_starting_deadline = later(None, "A crontab whose last due time is older is skipped after a pause.")
    beat_enable_remote_control = later(False, "Listen to remote control.")
    beat_max_loop_interval = later(0, "How long beat sleeps at most; 0: as its scheduler has it.")
    beat_remote_control_max_tick_age = later(None, "How old the last tick may be for beat to count as alive.")
    beat_schedule = later({}, "What is called when.")
    beat_schedule_filename = later("celerybeat-schedule", "File that remembers what was called.")
    beat_scheduler = later("celery.beat:PersistentScheduler", "Class of the scheduler.")
    beat_sync_every = later(0, "How many calls until that file is written.")
    beat_logfile = later(None, "File that is logged to.")
    beat_pidfile = later(None, "File that holds the process's number.")
    beat_uid = later(None, "User that beat becomes.")
    beat_gid = later(None, "Group that beat becomes.")
    beat_umask = later(None, "Permissions that files beat makes do not get.")
    beat_executable = later(None, "The interpreter of a beat in the background.")
