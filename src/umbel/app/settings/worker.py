"""Settings of workers. Rows of the table, nothing else."""

from umbel.app import parse
from umbel.app.parse import choice, count, flag, maybe, more_than_nothing, positive, seconds, text, umask, user_or_group
from umbel.app.settings.setting import Setting, Values, amqp, by_design, later, no_use, obsolete

_TIMER = "its timers are those of asyncio"
HOUR = 3600.0
_POOL = "a worker starts, watches and replaces its processes itself"


class Worker(Values):
    """Worker."""

    worker_concurrency = Setting(
        parse.processes,
        None,
        "Processes of prefork, or slots per process of the other lanes. None or 'auto': what suits the lane.",
    )
    worker_autoscaler = later("celery.worker.autoscale:Autoscaler", "Class that decides how many processes run.")
    worker_cancel_long_running_tasks_on_connection_loss = no_use(
        False,
        "End tasks that acknowledge late when the broker is lost.",
        "a task that runs is not delivered to another worker meanwhile, so it goes on",
        flag,
    )
    worker_deduplicate_successful_tasks = Setting(
        flag, False, "What is delivered again is not run again where its result is stored as SUCCESS already."
    )
    worker_detect_quorum_queues = amqp(True, "Look for RabbitMQ's quorum queues.")
    worker_direct = Setting(flag, False, "A worker also reads a queue of its own: its name and '.dq'.")
    worker_disable_prefetch = Setting(flag, False, "Claim no message before there is a free slot for it.")
    worker_disable_rate_limits = Setting(flag, False, "Ignore all rate limits.")
    worker_enable_remote_control = later(True, "Listen to remote control.")
    worker_enable_soft_shutdown_on_idle = by_design(
        False,
        "Soft shutdown also where no task runs. By design nothing is held that would need it.",
        flag,
    )
    worker_health_socket = Setting(
        maybe(text),
        None,
        "Socket at which umbel health --socket asks, besides the one it finds itself; %n, %h: parts of the name.",
    )
    worker_hijack_root_logger = Setting(flag, True, "Take the root logger's handlers away before it is set up.")
    worker_lease = Setting(more_than_nothing, 30.0, "Silence of a process after which what it held is taken over.")
    worker_log_color = Setting(maybe(flag), None, "Colour log lines on a terminal; None: yes.")
    worker_log_datefmt = Setting(
        maybe(text), None, "Format of times in log lines, as of time.strftime. None: to the millisecond."
    )
    worker_log_format = Setting(
        text, "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s", "Format of a worker's log lines."
    )
    worker_task_log_datefmt = Setting(maybe(text), None, "Format of times in log lines of tasks, likewise.")
    worker_task_log_format = Setting(
        text,
        "[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s",
        "Format of log lines of get_task_logger.",
    )
    worker_logfile = Setting(maybe(text), None, "File that is logged to; %n, %h, %i and %I stand for parts of names.")
    worker_pidfile = Setting(maybe(text), None, "File for the worker's process id; %n, %h: parts of its name.")
    worker_uid = Setting(maybe(user_or_group), None, "User, by name or number, that a worker started by root becomes.")
    worker_gid = Setting(maybe(user_or_group), None, "Group, by name or number, that a worker started by root becomes.")
    worker_umask = Setting(maybe(umask), None, "Permissions that files the worker makes do not get: octal digits.")
    worker_event_loop = Setting(
        choice("auto", "uvloop", "asyncio"),
        "auto",
        "Event loop of the lane asyncio: uvloop's (extra fast), Python's own, or uvloop's where it is installed.",
    )
    worker_executable = Setting(maybe(text), None, "The Python that umbel worker --detach starts. None: the same.")
    worker_max_memory_per_child = Setting(
        maybe(count.of("KiB")), None, "Memory above which a process is replaced, after the task that it runs."
    )
    worker_max_tasks_per_child = Setting(maybe(positive), None, "Tasks after which a process is replaced.")
    worker_pool = Setting(text, "prefork", "Lane: prefork, threads, asyncio, gevent, eventlet or solo.")
    worker_pool_restarts = later(False, "Let remote control restart the processes.")
    worker_pool_start_method = Setting(
        choice("forkserver", "fork", "spawn"),
        "forkserver",
        "How processes are started: forked from one that has imported the app, or as new interpreters.",
    )
    worker_prefetch_multiplier = Setting(
        maybe(count.of("messages")), None, "Cap of the read-ahead, per slot. None: adaptive; 0: no cap.", celery=4
    )
    worker_proc_alive_timeout = by_design(
        4.0, "How long a process may take to start. By design as long as it lives: it may have much to import.", seconds
    )
    worker_rate_limit_scope = Setting(
        choice("cluster", "worker"), "cluster", "Whether rate limits hold across workers.", celery="worker"
    )
    worker_redirect_stdouts = Setting(flag, True, "Log what tasks print.")
    worker_redirect_stdouts_level = Setting(parse.level, "WARNING", "At this level.")
    worker_send_task_events = later(False, "Send events of tasks.")
    worker_revoke_expires = Setting(
        more_than_nothing,
        3 * HOUR,
        "How long the broker remembers that a task is revoked: longer than the longest wait of a message.",
        environ=("CELERY_WORKER_REVOKE_EXPIRES",),
    )
    worker_shutdown_timeout = Setting(
        maybe(seconds), 25.0, "Time that running tasks get when a worker is told to stop; None: any.", celery=None
    )
    worker_soft_shutdown_timeout = Setting(
        seconds, 0.0, "Time that running tasks get before a cold shutdown (SIGQUIT, or a second signal) ends them."
    )
    worker_stuck_timeout = Setting(
        maybe(seconds),
        None,
        "Time without a sign of life after which a busy process is taken for stuck; None: off.",
    )

    worker_eta_task_limit = by_design(
        None, "Most delayed tasks in a worker's memory. By design none is: they wait in the broker.", maybe(count)
    )
    worker_lost_wait = by_design(
        10.0, "How long to wait for the result of a lost process. By design its end is seen at once.", seconds
    )
    worker_state_db = by_design(
        None, "File that remembers revoked tasks. By design the broker does, across restarts.", maybe(text)
    )

    worker_agent = obsolete("nothing takes its place; leave it out")
    worker_consumer = no_use("celery.worker.consumer:Consumer", "Class of the consumer.", "its consumers are adapters")
    worker_enable_prefetch_count_reduction = no_use(
        True,
        "Fetch less after the connection was lost.",
        "what a process holds is told to the broker when it connects again",
        flag,
    )
    worker_pool_putlocks = no_use(True, "Wait for a free process before one is given a task.", _POOL, flag)
    worker_timer = no_use(None, "Class of the timer.", _TIMER)
    worker_timer_precision = no_use(1.0, "How exact it is.", _TIMER)
