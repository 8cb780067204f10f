"""Result records: Celery's stored form, both ways."""

import json as stdlib
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import golden
from tests.wire.test_body import ARGUMENT
from umbel.core.errors import DecodeError, EncodeError
from umbel.core.record import Record
from umbel.wire import records

# As a Celery worker left it in Redis.
STORED = (
    b'{"status": "SUCCESS", "result": 4, "traceback": null, "children": [], '
    b'"date_done": "2026-11-20T15:36:25.753470+00:00", "task_id": "t1"}'
)
RECORD = Record("SUCCESS", 4, None, [], "2026-11-20T15:36:25.753470+00:00", "t1")


def test_what_celery_stored_is_read() -> None:
    assert records.decode(STORED) == RECORD


def test_we_store_what_celery_stores_key_for_key() -> None:
    assert list(stdlib.loads(records.encode(RECORD)).items()) == list(stdlib.loads(STORED).items())


def test_what_was_not_said_is_not_stored_and_not_invented() -> None:
    data = records.encode(Record("RETRY", parent_id="p", retries=2))
    assert stdlib.loads(data).keys() == {
        *("status", "result", "traceback", "children", "date_done", "task_id"),
        *("parent_id", "retries"),
    }
    assert records.decode(data).group_id is msgspec.UNSET


@given(ARGUMENT, st.lists(ARGUMENT), st.dictionaries(st.text(), ARGUMENT))
def test_a_record_is_read_as_it_was_stored(result: object, args: list[object], kwargs: dict[str, object]) -> None:
    record = Record("SUCCESS", result, args=args, kwargs=kwargs, task_id="t1", worker="w")
    assert records.decode(records.encode(record)) == record


def test_a_result_that_is_encoded_already_is_taken_as_it_is() -> None:
    assert records.decode(records.encode(Record("SUCCESS", msgspec.Raw(b'{"a":[1]}')))).result == {"a": [1]}


@pytest.mark.parametrize("result", [2**70, "\ud800", float("inf"), datetime(2026, 11, 20, tzinfo=UTC)])
def test_results_that_only_the_wide_road_carries(result: object) -> None:
    assert records.decode(records.encode(Record("SUCCESS", result))).result == result


def test_a_result_that_cannot_be_stored_is_named() -> None:
    with pytest.raises(EncodeError) as caught:
        records.encode(Record("SUCCESS", [1, {"open": open}]))
    assert str(caught.value).startswith("result[1]['open']: builtins.builtin_function_or_method cannot be written")


def test_extra_keys_and_nulls_of_extended_results_do_no_harm() -> None:
    data = b'{"status": "SUCCESS", "result": 1, "name": null, "retries": null, "stamped_headers": ["job"], "job": "J1"}'
    record = records.decode(data)
    assert (record.status, record.result, record.name, record.retries) == ("SUCCESS", 1, None, None)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"result": 1}', b'{"status": 5}'])
def test_what_is_no_record_is_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        records.decode(data)


# What lies in Redis


@pytest.mark.parametrize("version", golden.VERSIONS)
@pytest.mark.parametrize("name", sorted(golden.REDIS["5.7.0"]["results"]))
def test_whatever_celery_left_in_redis_is_read(version: str, name: str) -> None:
    found = records.decode(golden.result(version, name))
    assert found.task_id == "11111111-2222-3333-4444-555555555555"
    assert found.status == (
        name.upper() if name in ("started", "progress", "revoked", "retry", "failure") else "SUCCESS"
    )
    if name.startswith("compressed"):
        assert found.result == "x" * 1000


def test_the_state_comes_first_so_that_a_script_can_see_it() -> None:
    assert golden.result("5.7.0", "success").startswith(b'{"status": "SUCCESS"')
    assert records.encode(RECORD).startswith(b'{"status":"SUCCESS"')
    odd = Record("SUCCESS", "\ud800", task_id="t")
    assert records.encode(odd).replace(b" ", b"").startswith(b'{"status":"SUCCESS"')


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0celery-compressed\0application/odd\0...", "application/odd, which is not known here"),
        (b"\0celery-compressed\0application/x-gzip\0...", "it is no application/x-gzip"),
        (b"\0celery-compressed\0application/x-bz2\0...", "it is no application/x-bz2"),
        (b"\0celery-compressed\0application/x-lzma\0...", "it is no application/x-lzma"),
        (b"\0celery-compressed\0", "which is not known here"),
    ],
)
def test_what_cannot_be_decompressed_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        records.decode(data)
