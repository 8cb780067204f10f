"""Hooks and signals: their order, and that a result can be read when they run."""

from pathlib import Path
from typing import Any

import pytest

from tests.worker.fleet import Farm, until


def words(farm: Farm, *first: str) -> list[str]:
    return [" ".join(line.words[1:]) for line in farm.lines(*first)]


def test_hooks_run_in_order_with_the_result_visible(farm: Farm) -> None:
    farm.worker("-c", "1")
    assert farm.send("hooked", "fine").get(timeout=20) == "fine"
    until(lambda: "after_return SUCCESS" in words(farm, "hook"))
    assert words(farm, "hook") == ["before_start", "run", "on_success SUCCESS", "after_return SUCCESS"]


def test_hooks_of_a_failure(farm: Farm) -> None:
    farm.worker("-c", "1")
    with pytest.raises(ValueError, match="raise"):
        farm.send("hooked", "raise").get(timeout=20)
    until(lambda: "after_return FAILURE" in words(farm, "hook"))
    assert words(farm, "hook") == ["before_start", "run", "on_failure FAILURE", "after_return FAILURE"]


def test_signals_and_their_arguments(farm: Farm, tmp_path: Path) -> None:
    farm.environment["SUBJECT_SIGNALS"] = "1"
    worker = farm.worker("-c", "1")
    assert farm.send("add", 2, 2).get(timeout=20) == 4
    with pytest.raises(ValueError, match="x"):
        farm.send("fail", "x").get(timeout=20)
    assert farm.send("flaky", "f", 1).get(timeout=20) == 1
    assert worker.stop() == 0
    seen: list[Any] = words(farm, "signal")
    named = [line.split(" ")[0] for line in seen]
    assert named[0] == "worker_init"
    assert named[-1] == "worker_shutdown"
    assert named.count("worker_process_init") == named.count("worker_process_shutdown") == 1
    task = [line for line in seen if line.startswith("task_") or "publish" in line]
    assert task[:4] == [
        "task_received request",
        "task_prerun args,kwargs,task,task_id",
        "task_success result,runtime",
        "task_postrun args,kwargs,retval,state,task,task_id",
    ]
    assert task[4:8] == [
        "task_received request",
        "task_prerun args,kwargs,task,task_id",
        "task_failure args,einfo,exception,kwargs,task_id,traceback",
        "task_postrun args,kwargs,retval,state,task,task_id",
    ]
    assert task[8:14] == [
        "task_received request",
        "task_prerun args,kwargs,task,task_id",
        "before_task_publish body,declare,exchange,headers,properties,retry_policy,routing_key",
        "task_retry einfo,reason,request",
        "task_postrun args,kwargs,retval,state,task,task_id",
        "after_task_publish body,exchange,headers,routing_key",
    ]
