"""Scores of chains, against numpy over their steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm.config import AGGREGATES, SearchConfig
from jaxlrm.search import strategies
from jaxlrm.search.problem import AGGREGATES as FUNCTIONS
from jaxlrm.testing import answer, cut, run_scripts, step

REFERENCE = {
    "last": lambda scores: scores[-1],
    "min": np.min,
    "product": np.prod,
    "mean": np.mean,
}


def test_every_name_has_a_function():
    assert tuple(FUNCTIONS) == AGGREGATES == tuple(REFERENCE)


@pytest.mark.parametrize("name", AGGREGATES)
@given(scores=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6))
def test_a_chain_of_steps(name, scores):
    chain = np.float32(scores[0])  # the first step's is the chain's
    for number, score in enumerate(scores[1:], 1):
        chain = FUNCTIONS[name](chain, score, np.int32(number))
    np.testing.assert_allclose(chain, REFERENCE[name](scores), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "tree"),
    [
        ("last", "1 a 0.5 x2\n  2 a1 0.8 x2\n    3 a2 END 0.4 x2"),
        ("min", "1 a 0.5 x2\n  2 a1 0.5 x2\n    3 a2 END 0.4 x2"),
        ("product", "1 a 0.5 x2\n  2 a1 0.4 x2\n    3 a2 END 0.16 x2"),
    ],
)
def test_a_node_has_the_score_of_its_chain(name, tree):
    config = SearchConfig(
        branches=2, width=2, step_tokens=4, chain_tokens=40, aggregate=name
    )
    script = (step("a", 0.5, step("a1", 0.8, answer("a2", 0.4))),)
    assert run_scripts(strategies.build(config), [script]).trees == [tree]


@pytest.mark.parametrize("name", AGGREGATES)
def test_a_step_that_is_cut_counts_once_and_at_its_end(name):
    """Until then its chain has the score of the steps before it."""
    config = SearchConfig(
        branches=2, width=2, step_tokens=4, chain_tokens=40, aggregate=name
    )
    end = answer("a4", 0.4)
    middle = cut("a2", 0.9, cut("a3", 0.1, step("a4", 0.8, end)))
    script = (step("a1", 0.5, middle),)
    (tree,) = run_scripts(strategies.build(config), [script]).trees
    lines = tree.split("\n")
    scores = [float(line.removesuffix(" x2").split()[-1]) for line in lines]
    steps = [[0.5], [0.5], [0.5], [0.5, 0.8], [0.5, 0.8, 0.4]]
    expected = [REFERENCE[name](s) for s in steps]
    assert scores == pytest.approx(expected, abs=1e-4)  # as written


def test_a_cut_first_step_is_worth_what_it_is_at_the_cut():
    """Nothing else is known of its chain; it does not count when it ends."""
    config = SearchConfig(
        branches=2, width=2, step_tokens=4, chain_tokens=40, aggregate="product"
    )
    script = (cut("a1", 0.5, step("a2", 0.8, answer("a3", 0.4))),)
    assert run_scripts(strategies.build(config), [script]).trees == [
        "1 a1 .. 0.5 x2\n  2 a2 0.8 x2\n    3 a3 END 0.32 x2"
    ]
