"""Votes against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm.engine import voting
from jaxlrm.engine.solution import Step

SCORES = [0.9, 0.2, 0.9, 0.4]
COUNTS = [1, 5, 2, 3]
# Sums of these are exact, so ties are ties.
WEIGHTS = st.sampled_from([0.0, 0.25, 0.5, 1.0, 3.0])
CHAINS = st.lists(st.tuples(st.integers(0, 3), WEIGHTS), min_size=1)


def chain(score: float | None, count: int = 1, doubtful: bool = False) -> Step:
    """The last step of a chain that ended."""
    return Step("answer", (), score, None, count=count, doubtful=doubtful)


@pytest.mark.parametrize(
    ("vote", "expected"),
    [
        ("count", [1, 5, 2, 3]),
        ("sum", [0.9, 1.0, 1.8, 1.2]),
        ("best", [1, 0, 0, 0]),  # the first of the two best
    ],
)
def test_weights(vote, expected):
    chains = list(map(chain, SCORES, COUNTS))
    np.testing.assert_allclose(voting.weigh(chains, vote), expected)


def test_a_doubt_lowers_a_vote_once():
    """A score is lowered already."""
    chains = [chain(None, 2), chain(None, 2, True), chain(0.5, 2, True)]
    assert voting.weigh(chains, "count").tolist() == [2, 0.5, 0.5]
    assert voting.weigh(chains, "sum").tolist() == [2, 0.5, 1]


@given(CHAINS)
def test_count(chains):
    chains = in_order(chains)
    totals: dict[int, float] = {}
    for group, weight in chains:
        totals[group] = totals.get(group, 0) + weight
    whole = sum(totals.values())
    votes, best = voting.count(
        [chain(weight) for _, weight in chains],
        [group for group, _ in chains],
        "abcd",
        "sum",
    )
    expected = sorted(totals, key=lambda group: (-totals[group], group))
    assert [vote.answer for vote in votes] == ["abcd"[g] for g in expected]
    for vote, group in zip(votes, expected, strict=True):
        assert vote.weight == (totals[group] / whole if whole else 0)
        assert vote.count == sum(g == group for g, _ in chains)
    assert best.score == max(w for g, w in chains if g == expected[0])


def in_order(chains):
    """Groups numbered in the order first seen."""
    known: dict[int, int] = {}
    return [(known.setdefault(g, len(known)), w) for g, w in chains]


def test_every_chain_has_a_group():
    with pytest.raises(ValueError, match="longer|shorter"):
        voting.count([chain(1.0)], [0, 1], "ab", "sum")
