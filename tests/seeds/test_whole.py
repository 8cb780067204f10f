"""Which test is about which piece of the documents; one that no test is about fails here."""

from tests.seeds import test_documents, test_second_document, test_waiting
from tests.seeds.conftest import Documents

TOLD = {
    "pip install": "the_packages_that_are_installed_are_those_it_names",
    'broker_url = "': "the_settings_module_configures_the_application",
    "__all__": "the_settings_module_configures_the_application",
    'autodiscover_tasks(["proj.tasks"])': "the_settings_module_configures_the_application",
    "def send_email(self": "a_task_asks_for_its_retry_in_two_minutes",
    'result = send_email.delay("user': "calls_with_and_without_options",
    "pipeline = chain(": "a_chain_and_a_chord",
    "beat_schedule = {": "beat_publishes_the_schedule_once_however_many_there_are",
    "celery -A proj beat": "beat_publishes_the_schedule_once_however_many_there_are",
    "celery -A proj worker": "a_task_logs_what_it_does_and_returns",
    "class DatabaseTask": "the_base_class_opens_a_session_once_and_closes_it_after_each_task",
    "task_failure.connect": "signals_tell_of_failures_successes_and_the_worker",
    "def test_send_email": "the_block_of_tests_passes",
    # the first document's bullets
    "and `worker_prefetch_multiplier=1`": "what_heavy_tasks_have_for_themselves",
    "and `self.retry()`": "a_task_is_retried_by_itself_where_a_service_cannot_be_reached",
    "Set `expires`": "a_task_that_expired_is_not_run",
    "Route CPU-heavy": "what_heavy_tasks_have_for_themselves",
    "Use `shared_task`": "a_route_reaches_its_queue_and_what_has_none_the_default",
    "serializable return values": "a_value_that_cannot_be_stored_fails_its_task",
    "Passing ORM objects": "objects_are_refused_where_they_are_passed",
    "Running Beat and workers": "beat_publishes_the_schedule_once_however_many_there_are",
    "`result_expires`": "results_expire",
    "`task_always_eager=True`": "the_block_of_tests_passes",
    "`asyncio.run()`": "an_event_loop_inside_a_task",
    "`task_reject_on_worker_lost=True`": "a_task_whose_process_is_lost_runs_again_where_it_asks_for_that",
    # the second document's
    "(broker_url": "a_worker_waits_for_the_broker_it_is_told",
    "broker_connection_retry_on_startup": "a_worker_waits_for_the_broker_it_is_told",
    "fire-and-forget": "nothing_is_stored_without_a_result_backend",
    "gevent or eventlet": "a_pool_of_greenlets_runs_many_tasks_at_once",
    "long-running tasks": "what_heavy_tasks_have_for_themselves",
    "email.*": "a_pattern_routes_to_its_queue",
    "task_serializer = ": "messages_are_json_and_nothing_else_is_read",
    "task_time_limit": "tasks_that_take_too_long_are_ended",
    "Use autoretry_for": "a_failing_task_is_tried_again",
    "Set max_retries": "a_failing_task_is_tried_again",
    "retry_backoff_max to cap": "no_retry_waits_longer_than_the_cap_and_no_two_as_long",
    "retry_jitter": "no_retry_waits_longer_than_the_cap_and_no_two_as_long",
    "redis-cli llen": "what_heavy_tasks_have_for_themselves",
    # what waits
    "DJANGO_SETTINGS_MODULE": "a_project_of_djangos",
    "django-celery-beat": "schedules_in_djangos_database",
    "celery -A proj flower": "flower",
    "celery inspect": "diagnostics",
    "MODE=worker": "the_worker_container",
    "The entrypoint script": "the_worker_container",
    "Scale workers independently": "the_worker_container",
}
ADVICE = {
    "idempotent": "is about the user's own code",
    "Keep payloads small": "is about the user's own code; what is no plain data is refused, as asserted above",
}


TESTS = {**vars(test_documents), **vars(test_second_document), **vars(test_waiting)}


def test_there_is_nothing_else_in_the_documents(documents: Documents) -> None:
    phrases = [*TOLD, *ADVICE]
    texts = [piece.text for piece in documents.pieces]
    assert [text for text in texts if not any(phrase in text for phrase in phrases)] == []
    assert [phrase for phrase in phrases if not any(phrase in text for text in texts)] == []


def test_every_test_that_is_named_exists() -> None:
    assert [name for name in TOLD.values() if f"test_{name}" not in TESTS] == []
