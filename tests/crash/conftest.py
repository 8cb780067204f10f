"""The farms of the workers' tests and the loads of those on Redis, for the tests of what strikes them."""

from tests.redis.conftest import load, load_at
from tests.worker.conftest import farm, farm_with

__all__ = ["farm", "farm_with", "load", "load_at"]
