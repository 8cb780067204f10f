"""The farms of the workers' tests, for the tests of what strikes them."""

from tests.worker.conftest import farm, farm_with

__all__ = ["farm", "farm_with"]
