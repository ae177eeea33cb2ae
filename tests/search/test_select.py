"""Selection against plain Python."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm.search import select, tree

N = 7


@functools.cache
def spread(branches: int, groups: int):
    return jax.jit(
        lambda trees: select.spread_over_live(trees, branches, groups)
    )


def tree_with(live, children) -> tree.Tree:
    return tree.empty(len(live), len(live[0]), 1).replace(
        live=jnp.array(live), children=jnp.array(children, jnp.int32)
    )


def reference(live, children, branches: int, groups: int):
    """Deals groups of branches out to the live nodes, in turns."""
    nodes = [i for i, alive in enumerate(live) if alive][:groups]
    given_to = dict(zip(nodes, (children[i] for i in nodes), strict=True))
    leaf, ordinal = [], []
    for branch in range(branches):
        if not nodes:
            leaf.append(-1)
            ordinal.append(None)
            continue
        node = nodes[branch // (branches // groups) % len(nodes)]
        leaf.append(node)
        ordinal.append(given_to[node])
        given_to[node] += 1
    return leaf, ordinal


ROWS = st.lists(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 9)), min_size=N, max_size=N
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
    live = [[alive for alive, _ in row] for row in rows]
    children = [[count for _, count in row] for row in rows]
    leaf, ordinal = spread(branches, groups)(tree_with(live, children))
    assert leaf.shape == ordinal.shape == (len(rows), branches)
    assert leaf.dtype == ordinal.dtype == jnp.int32
    for row, (alive, counts) in enumerate(zip(live, children, strict=True)):
        leaves, numbers = reference(alive, counts, branches, groups)
        assert leaf[row].tolist() == leaves
        if any(alive):
            assert ordinal[row].tolist() == numbers


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
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 1.0])),
    min_size=6,
    max_size=6,
)


@given(entries=ENTRIES, number=st.integers(0, 7))
@settings(max_examples=60)
def test_best(entries, number):
    mask = np.array([[masked for masked, _ in entries]])
    value = np.array([[score for _, score in entries]], np.float32)
    order = sorted(
        np.flatnonzero(mask[0]).tolist(), key=lambda b: (-value[0, b], b)
    )
    found = select.best(mask, value, number)
    assert np.flatnonzero(found[0]).tolist() == sorted(order[:number])


def test_best_gives_ties_to_the_lower_branch_in_every_row():
    mask = np.array([[True] * 4, [False, True, True, True]])
    found = select.best(mask, np.full((2, 4), 0.5), 2)
    assert found.tolist() == [
        [True, True, False, False],
        [False, True, True, False],
    ]
