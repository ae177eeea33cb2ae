"""Votes against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm.search import vote

SCORES = [0.9, 0.2, 0.9, 0.4]
COUNTS = [1, 5, 2, 3]
# Sums of these are exact, so ties are ties.
WEIGHTS = st.sampled_from([0.0, 0.25, 0.5, 1.0, 3.0])
BALLOTS = st.lists(st.tuples(st.integers(0, 3), WEIGHTS), max_size=12)


@pytest.mark.parametrize(
    ("weigh", "expected"),
    [
        (vote.count, [1, 5, 2, 3]),
        (vote.score_sum, [0.9, 1.0, 1.8, 1.2]),
        (vote.best, [1, 0, 0, 0]),  # the first of the two best
    ],
)
def test_weights(weigh, expected):
    weight = weigh(np.array(SCORES), np.array(COUNTS))
    assert weight.dtype == float
    np.testing.assert_allclose(weight, expected)


@pytest.mark.parametrize("weigh", [vote.count, vote.score_sum, vote.best])
def test_no_chains_weigh_nothing(weigh):
    weight = weigh(np.zeros(0), np.zeros(0, int))
    assert weight.shape == (0,)
    assert vote.tally([], weight) == {}


@given(BALLOTS)
def test_tally(ballots):
    ballots = in_order(ballots)
    totals: dict[int, float] = {}
    for group, weight in ballots:
        totals[group] = totals.get(group, 0) + weight
    whole = sum(totals.values())
    shares = vote.tally(
        [group for group, _ in ballots], np.array([w for _, w in ballots])
    )
    expected = sorted(totals, key=lambda group: (-totals[group], group))
    assert list(shares) == expected
    for group, share in shares.items():
        assert share == (totals[group] / whole if whole else 0)
    if whole:
        assert sum(shares.values()) == pytest.approx(1)


def in_order(ballots):
    """Groups numbered in the order first seen."""
    known: dict[int, int] = {}
    return [(known.setdefault(g, len(known)), w) for g, w in ballots]


def test_ties_go_to_the_group_seen_first():
    shares = vote.tally([0, 1, 2, 1, 0], np.array([1.0, 1, 3, 2, 2]))
    assert list(shares) == [0, 1, 2]
    assert set(shares.values()) == {1 / 3}


def test_zero_weights_leave_all_groups_without_a_share():
    assert vote.tally([0, 1, 0], np.zeros(3)) == {0: 0.0, 1: 0.0}


def test_every_chain_has_a_weight():
    with pytest.raises(ValueError, match="longer|shorter"):
        vote.tally([0, 1], np.ones(3))
