"""Selection against plain Python."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm.limits import Limits
from jaxlrm.search import select, tree

N = 7


@functools.cache
def spread(branches: int, groups: int):
    return jax.jit(
        lambda trees: select.spread_over_live(trees, branches, groups)
    )


def tree_with(live, children, score=None, count=None) -> tree.Tree:
    trees = tree.empty(len(live), len(live[0]), 1)
    return trees.replace(
        live=jnp.array(live),
        children=jnp.array(children, jnp.int32),
        score=trees.score if score is None else jnp.array(score, "f"),
        count=trees.count + 1 if count is None else jnp.array(count),
    )


def worth(score: float, count: int) -> float:
    score = min(max(score, 1e-6), 1 - 1e-6)
    return count * score / (1 - score)


def reference(nodes, branches: int, groups: int):
    """Deals groups of branches out to the live nodes.

    Args:
        nodes: `(live, children, score, count)` of each.
        branches: in all.
        groups: of how many groups.
    """
    width = branches // groups
    live = [n for n, (alive, *_) in enumerate(nodes) if alive]
    live.sort(key=lambda n: (-worth(*nodes[n][2:]), -nodes[n][3], n))
    turns = [n for n in live for _ in range(math.ceil(nodes[n][3] / width))]
    turns = turns[:groups]
    given_to = {n: nodes[n][1] for n in live}
    leaf, ordinal = [], []
    for branch in range(branches):
        if not turns:
            leaf.append(-1)
            ordinal.append(None)
            continue
        node = turns[branch // width % len(turns)]
        leaf.append(node)
        ordinal.append(given_to[node])
        given_to[node] += 1
    return leaf, ordinal


# Odds of 7 to 13: no count up to 9 makes them those of another score.
SCORES = st.sampled_from([0.0, 0.35, 0.5, 1.0])
ROWS = st.lists(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 9), SCORES, st.integers(1, 9)),
        min_size=N,
        max_size=N,
    ),
    min_size=2,
    max_size=2,
)


@pytest.mark.parametrize(
    ("branches", "groups"), [(1, 1), (6, 1), (6, 3), (8, 8), (24, 12)]
)
@given(rows=ROWS)
@settings(max_examples=25)
def test_spread_over_live(branches, groups, rows):
    fields = [[[node[i] for node in row] for row in rows] for i in range(4)]
    leaf, ordinal = spread(branches, groups)(tree_with(*fields))
    assert leaf.shape == ordinal.shape == (len(rows), branches)
    assert leaf.dtype == ordinal.dtype == jnp.int32
    for number, row in enumerate(rows):
        leaves, numbers = reference(row, branches, groups)
        assert leaf[number].tolist() == leaves
        if any(alive for alive, *_ in row):
            assert ordinal[number].tolist() == numbers


@pytest.mark.parametrize("score", [0.0, 0.35, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("count", [1, 7])
def test_worth_is_count_times_odds(score, count):
    found = math.exp(select.worth(jnp.float32(score), count))
    assert found == pytest.approx(worth(score, count), rel=0.1)


def test_few_live_nodes_share_all_branches():
    live = [[False, True, False, True, True, False, False]]
    leaf, ordinal = select.spread_over_live(
        tree_with(live, [[0, 0, 0, 5, 0, 0, 0]]), 8, 4
    )
    assert leaf.tolist() == [[1, 1, 3, 3, 4, 4, 1, 1]]
    assert ordinal.tolist() == [[0, 1, 5, 6, 0, 1, 2, 3]]


def test_surplus_live_nodes_wait():
    live = [[True] * N]
    leaf, _ = select.spread_over_live(tree_with(live, [[0] * N]), 4, 2)
    assert leaf.tolist() == [[0, 0, 1, 1]]


ENTRIES = st.lists(
    st.tuples(st.booleans(), SCORES, st.integers(0, 1), st.integers(1, 6)),
    min_size=6,
    max_size=6,
)


@given(
    entries=ENTRIES, number=st.integers(0, 7), width=st.sampled_from([1, 2, 4])
)
@settings(max_examples=60)
def test_best(entries, number, width):
    mask, value, second, count = (
        np.array([x]) for x in zip(*entries, strict=True)
    )
    order = sorted(
        np.flatnonzero(mask[0]).tolist(),
        key=lambda b: (-value[0, b], -second[0, b], -count[0, b], b),
    )
    chosen, left = [], number
    for branch in order:
        if left > 0:
            chosen.append(branch)
        left -= math.ceil(count[0, branch] / width)
    found = select.best(mask, value, second, count, number, width)
    assert np.flatnonzero(found[0]).tolist() == sorted(chosen)


# --- Few tokens left ----------------------------------------------------------


def narrowed(left: int, leaf) -> list[int]:
    """A prompt of 10 tokens, and chains of 0, 6, 12 and 20 after it."""
    limits = Limits(tokens=100, step_tokens=8).spread(1)
    trees = tree.empty(1, 4, 8, limits=limits)
    trees = trees.replace(
        end=jnp.array([[9, 15, 21, 29]]), spent=jnp.array([100 - left])
    )
    return select.narrow(trees, jnp.array([leaf]))[0].tolist()


def test_all_leaves_stay_while_their_chains_could_double():
    assert narrowed(38, [3, 2, 1]) == [3, 2, 1]
    assert narrowed(37, [3, 2, 1]) == [3, 2, -1]


def test_the_first_leaf_stays_to_the_last_token():
    assert narrowed(1, [-1, 3, 1, 1]) == [-1, 3, -1, -1]


def test_a_chain_that_has_not_begun_costs_a_quarter_of_a_step():
    assert narrowed(6, [0, 0, 0, 0]) == [0, 0, 0, -1]
