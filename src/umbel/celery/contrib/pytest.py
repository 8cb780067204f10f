"""Celery's ``contrib.pytest``: the plugin under this name, for ``pytest_plugins`` and ``-p``. A door: it re-exports."""

from umbel_pytest.celery import (
    celery_app,
    celery_class_tasks,
    celery_config,
    celery_config_applied,
    celery_enable_logging,
    celery_includes,
    celery_parameters,
    celery_session_app,
    celery_session_worker,
    celery_worker,
    celery_worker_parameters,
    celery_worker_pool,
    depends_on_current_app,
    pytest_configure,
    pytest_itemcollected,
    use_celery_app_trap,
)

__all__ = [
    "celery_app",
    "celery_class_tasks",
    "celery_config",
    "celery_config_applied",
    "celery_enable_logging",
    "celery_includes",
    "celery_parameters",
    "celery_session_app",
    "celery_session_worker",
    "celery_worker",
    "celery_worker_parameters",
    "celery_worker_pool",
    "depends_on_current_app",
    "pytest_configure",
    "pytest_itemcollected",
    "use_celery_app_trap",
]
