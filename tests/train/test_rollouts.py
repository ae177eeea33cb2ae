"""Labels of sampled chains."""

from __future__ import annotations

import pytest

from jaxlrm.tasks import Problem
from jaxlrm.train import rollouts
from jaxlrm.verify.workers import Pool


@pytest.fixture(scope="module")
def pool():
    with Pool(workers=1) as workers:
        yield workers


def test_a_step_is_right_as_long_as_all_before_it_are(pool):
    problem = Problem("Solve 2*x + 3 = 13 for x.", "5", "linear", ())
    chains = [
        (["2*x = 13 - 3", "2*x = 10", "x = 5"], 3),
        (["2*x = 13 - 3", "2*x = 11", "2*x = 10", "x = 5"], 1),
        (["2*x = 13 - 3", "2*x = 10"], 1),
    ]
    assert rollouts.label(pool, [(problem, chains)]) == [
        [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0], [1.0, 0.0]]
    ]


def test_where_steps_may_lead_nowhere_chains_are_counted(pool):
    problem = Problem("Use 4, 9, 10, 13 to make 24.", "24", "game24", ())
    good = "13 - 9 = 4 left 4, 10, 4"
    chains = [
        ([good, "10 - 4 = 6 left 4, 6", "6 * 4 = 24"], 2),
        ([good, "10 + 4 = 14 left 4, 14", "14 + 4 = 18"], 1),
        (["13 + 9 = 22 left 4, 10, 22", "22 + 4 = 26 left 10, 26"], 1),
    ]
    assert rollouts.label(pool, [(problem, chains)]) == [
        [[0.6667, 1.0, 1.0], [0.6667, 0.0, 0.0], [0.0, 0.0]]
    ]
