"""Tasks that the documents' code calls and does not define. Becomes ``proj/tasks/__init__.py`` of their project."""

import asyncio
import os
import signal
from typing import Any

from celery import shared_task
from standins import note, wait_for


@shared_task
def download_file(url: str) -> str:
    return f"{url} downloaded"


@shared_task
def process_file(file: str) -> str:
    return f"{file}, processed"


@shared_task
def upload_result(result: str, destination: str) -> str:
    return f"{result}, at {destination}"


@shared_task(bind=True)
def process_image(self: Any, image_id: int) -> int:
    note("image", image_id, self.request.delivery_info["routing_key"])
    if image_id == 0:
        wait_for("developed")
    return image_id * 10


@shared_task(name="proj.tasks.send_email", bind=True)
def routed(self: Any) -> Any:
    return self.request.delivery_info["routing_key"]


@shared_task
def fetch_data(source: str) -> int:
    return len(source)


@shared_task
def aggregate_results(parts: list[int]) -> None:
    note("aggregated", sum(parts))


@shared_task
def cleanup_sessions() -> None:
    note("beat", "cleanup")


@shared_task
def generate_daily_report(report_type: str) -> None:
    note("beat", "report", report_type)


@shared_task
def heartbeat() -> None:
    note("beat", "heartbeat")


@shared_task
def unstorable() -> object:
    return object()


@shared_task
def asynchronous() -> int:
    async def later() -> int:
        await asyncio.sleep(0)
        return 42

    return asyncio.run(later())


@shared_task(reject_on_worker_lost=True)
def die_once() -> str:
    if not os.path.exists("died"):  # noqa: PTH110
        open("died", "w").close()  # noqa: PTH123
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


from proj.tasks import database, email, monitoring  # noqa: E402, F401  they need what stands above
