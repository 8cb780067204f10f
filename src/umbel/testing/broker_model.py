"""A suite that walks through a broker adapter at random, beside a simple model. It needs hypothesis.

    class TestMineAsTheModel(ModelSuite):
        def make_site(self, folder):
            return MySite(folder, FakeClock())

``UMBEL_MODEL_WALKS`` is how many walks there are (60, always the same ones; with another number, others each time), and
``UMBEL_MODEL_STEPS`` how long each is (60). The walk that fails is printed; with another number of walks, the shortest
that does, which may take minutes to find.
"""

import os
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from umbel.testing.conformance.site import Site
from umbel.testing.conformance.walking import Walk

WALKS, STEPS = 60, 60


class ModelSuite:
    """After every step, each message is where the model says, and the broker has said what the model says."""

    def make_site(self, folder: Path) -> Site:
        """The adapter's site for one walk, on a ``FakeClock``."""
        raise NotImplementedError(f"{type(self).__name__} says how to make its site: override make_site")

    def test_it_does_what_the_model_does(self, tmp_path: Path) -> None:
        """Walk, and say which walk fails."""
        numbers = count()

        def site() -> Site:
            folder = tmp_path / str(next(numbers))
            folder.mkdir()
            return self.make_site(folder)

        walks = int(os.environ.get("UMBEL_MODEL_WALKS", WALKS))
        walk = type("Walk", (Walk,), {"make_site": staticmethod(site)})
        chosen = settings(
            max_examples=walks,
            stateful_step_count=int(os.environ.get("UMBEL_MODEL_STEPS", STEPS)),
            derandomize=walks == WALKS,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            phases=[Phase.generate] if walks == WALKS else list(Phase),
        )
        run_state_machine_as_test(walk, settings=chosen)
