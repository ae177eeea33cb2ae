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


def test_where_steps_may_lead_nowhere_all_that_may_follow_is_tried(pool):
    problem = Problem("Use 4, 9, 10, 13 to make 24.", "24", "game24", ())
    good = "13 - 9 = 4 left 4, 10, 4"
    chains = [
        ([good, "10 - 4 = 6 left 4, 6", "6 * 4 = 24"], 2),
        ([good, "10 + 4 = 14 left 4, 14", "14 + 4 = 18"], 1),
        (["13 + 9 = 22 left 4, 10, 22", "22 + 4 = 26 left 10, 26"], 1),
        (["13 - 9 = 5 left 4, 10, 5", "10 - 4 = 6 left 5, 6"], 1),
    ]
    assert rollouts.label(pool, [(problem, chains)]) == [
        [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    ]


def test_where_too_much_may_follow_chains_are_counted(pool):
    text = "Use 1, 2, 3, 4, 5, 6 to make 101."
    problem = Problem(text, "101", "countdown", ())
    first = "6 * 5 = 30 left 1, 2, 3, 4, 30"
    won = [
        "30 - 4 = 26 left 1, 2, 3, 26",
        "26 * 4 = 104 left 1, 2, 104",  # no 4 is left
        "104 - 2 = 102 left 1, 102",
        "102 - 1 = 101",
    ]
    second = "30 + 4 = 34 left 1, 2, 3, 34"
    third = "34 * 3 = 102 left 1, 2, 102"
    end = ["2 - 1 = 1 left 102, 1", "102 - 1 = 101"]
    chains = [
        ([first, second, third, *end], 1),
        ([first, *won], 3),
    ]
    assert rollouts.label(pool, [(problem, chains)]) == [
        [[0.25, 1.0, 1.0, 1.0, 1.0], [0.25, 0.0, 0.0, 0.0, 0.0]]
    ]
