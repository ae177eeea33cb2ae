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
from jaxlrm.search import select
from jaxlrm.search import tree as tree_lib
from jaxlrm.search.tree import ANSWER, STEP, WRITING, Tree
from tests.search.test_tree import twigs_of

N = 7


@functools.cache
def compiled(name: str, rows: int, groups: int):
    """The function of `select` for so many idle rows and groups."""
    function = getattr(select, name)
    return jax.jit(lambda tree: function(tree, jnp.ones(rows, bool), groups))


def tree_with(**fields) -> Tree:
    tree = tree_lib.empty(N, 1)
    own = {
        name: jnp.asarray(value, getattr(tree, name).dtype)
        for name, value in fields.items()
    }
    return tree.replace(**{"count": tree.count + 1, **own})


def worth(score: float, count: int) -> float:
    score = min(max(score, 1e-6), 1 - 1e-6)
    return count * score / (1 - score)


def reference(nodes, rows: int, groups: int) -> list[int]:
    """Deals groups of rows out to the live nodes.

    Args:
        nodes: `(live, score, count)` of each.
        rows: in all.
        groups: of how many groups.
    """
    width = rows // groups
    live = [n for n, (alive, *_) in enumerate(nodes) if alive]
    live.sort(key=lambda n: (-worth(*nodes[n][1:]), -nodes[n][2], n))
    turns = [n for n in live for _ in range(math.ceil(nodes[n][2] / width))]
    turns = turns[:groups] or [-1]
    return [turns[row // width % len(turns)] for row in range(rows)]


# Odds of 7 to 13: no count up to 9 makes them those of another score.
SCORES = st.sampled_from([0.0, 0.35, 0.5, 1.0])
NODES = st.lists(
    st.tuples(st.booleans(), SCORES, st.integers(1, 9)), min_size=N, max_size=N
)


@pytest.mark.parametrize(
    ("rows", "groups"), [(1, 1), (6, 1), (6, 3), (8, 8), (24, 12)]
)
@given(nodes=NODES)
@settings(max_examples=40)
def test_spread_over_live(rows, groups, nodes):
    live, score, count = zip(*nodes, strict=True)
    tree = tree_with(live=live, score=score, count=count)
    leaf = compiled("spread_over_live", rows, groups)(tree)
    assert leaf.tolist() == reference(nodes, rows, groups)


@pytest.mark.parametrize("score", [0.0, 0.35, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("count", [1, 7])
def test_worth_is_count_times_odds(score, count):
    found = math.exp(select.worth(jnp.float32(score), count))
    assert found == pytest.approx(worth(score, count), rel=0.1)


def test_few_live_nodes_share_all_rows():
    tree = tree_with(live=[0, 1, 0, 1, 1, 0, 0])
    leaf = compiled("spread_over_live", 8, 4)(tree)
    assert leaf.tolist() == [1, 1, 3, 3, 4, 4, 1, 1]


def test_surplus_live_nodes_wait():
    leaf = compiled("spread_over_live", 4, 2)(tree_with(live=[1] * N))
    assert leaf.tolist() == [0, 0, 1, 1]


@given(
    leaf=st.lists(st.integers(-1, N - 1), min_size=6, max_size=6),
    children=st.lists(st.integers(0, 9), min_size=N, max_size=N),
)
@settings(max_examples=40)
def test_ordinals_go_on_where_the_children_of_before_end(leaf, children):
    tree = tree_with(children=children)
    found = jax.jit(select.ordinals)(tree, jnp.array(leaf, jnp.int32))
    assert found.dtype == jnp.int32
    for row, node in enumerate(leaf):
        if node >= 0:
            expected = children[node] + leaf[:row].count(node)
            assert found[row] == expected


# --- Chains and subtrees that never meet --------------------------------------

FORESTS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 2)), min_size=1, max_size=N
)


@given(nodes=FORESTS)
@settings(max_examples=40)
def test_each_group_extends_its_own(nodes):
    """Its newest node, while that is live; the root if it has none at all."""
    live, group = (list(column) for column in zip(*nodes, strict=True))
    spare = [0] * (N - len(nodes))
    tree = tree_with(live=live + spare, group=group + spare, size=len(nodes))
    expected = []
    for own in range(3):
        mine = [n for n in range(1, len(nodes)) if group[n] == own]
        newest = mine[-1] if mine else 0
        expected += [newest if live[newest] else -1] * 2
    assert compiled("by_group", 6, 3)(tree).tolist() == expected


# --- By the softmax -----------------------------------------------------------


@given(nodes=NODES, budget=st.integers(0, 12))
@settings(max_examples=40)
def test_by_softmax_gives_out_what_there_is(nodes, budget):
    """All of it, better nodes first and with no fewer rows each."""
    live, score, count = zip(*nodes, strict=True)
    tree = tree_with(live=live, score=score, count=count)
    rows = jnp.ones(12, bool)
    choose = jax.jit(
        lambda tree, left: select.by_softmax(tree, rows, left, 0.2)
    )
    leaf = choose(tree, jnp.int32(budget)).tolist()
    given_to = [leaf.count(node) for node in range(N)]
    assert sum(given_to) == (budget if any(live) else 0)
    assert leaf == [n for n in leaf if n >= 0] + [-1] * leaf.count(-1)
    weight = [c * math.exp(s / 0.2) for _, s, c in nodes]
    for better in range(N):
        assert live[better] or not given_to[better]
        for worse in range(N):
            if live[better] and weight[better] > 1.01 * weight[worse]:
                assert given_to[better] >= given_to[worse]


# --- The best steps -----------------------------------------------------------

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
    mask, value, second, count = map(np.array, zip(*entries, strict=True))
    order = sorted(
        np.flatnonzero(mask).tolist(),
        key=lambda row: (-value[row], -second[row], -count[row], row),
    )
    chosen, left = [], number
    for row in order:
        if left > 0:
            chosen.append(row)
        left -= math.ceil(count[row] / width)
    found = select.best(mask, value, second, count, number, width)
    assert np.flatnonzero(found).tolist() == sorted(chosen)


# --- Few tokens left ----------------------------------------------------------


def narrowed(left: int, leaf, writing=(), **fields) -> list[int]:
    """A prompt of 10 tokens, and chains of 0, 6, 12 and 20 after it.

    Args:
        left: tokens.
        leaf: what idle rows are to extend.
        writing: how many tokens the first rows have written of their steps.
        **fields: of the tree.
    """
    tree = tree_lib.empty(4, 8).replace(
        limits=Limits(tokens=100, step_tokens=8).typed(),
        end=jnp.array([9, 15, 21, 29]),
        spent=jnp.int32(100 - left),
        **fields,
    )
    busy = [[1] * number for number in writing]
    idle = [[1] * 8] * (len(leaf) - len(busy))
    twigs = twigs_of(
        busy + idle,
        [1] * len(busy) + [-1] * len(idle),
        [WRITING] * len(busy) + [STEP] * len(idle),
    )
    return select.narrow(tree, twigs, jnp.array(leaf)).tolist()


def test_all_leaves_stay_while_their_chains_could_double():
    assert narrowed(38, [3, 2, 1]) == [3, 2, 1]
    assert narrowed(37, [3, 2, 1]) == [3, 2, -1]


def test_the_first_leaf_stays_to_the_last_token():
    assert narrowed(1, [-1, 3, 1, 1]) == [-1, 3, -1, -1]


def test_a_chain_that_has_not_begun_costs_a_quarter_of_a_step():
    assert narrowed(6, [0, 0, 0, 0]) == [0, 0, 0, -1]


def test_a_chain_that_has_not_begun_costs_what_those_that_ended_did():
    """Three rows wrote 6 tokens and one 20: 9 or 10 each."""
    ended = {
        "kind": jnp.array([STEP, ANSWER, STEP, ANSWER]),
        "count": jnp.array([1, 3, 1, 1]),
    }
    assert narrowed(27, [0, 0, 0, 0], **ended) == [0, 0, 0, -1]
    assert narrowed(26, [0, 0, 0, 0], **ended) == [0, 0, -1, -1]


def test_rows_in_the_middle_of_a_step_come_first():
    """They are taken to need half of what they have written, and one more."""
    assert narrowed(13, [-1, 3, 1], writing=[8]) == [-1, -1, -1]
    assert narrowed(11, [-1, 1, 1], writing=[8]) == [-1, 1, -1]
    assert narrowed(10, [-1, 1, 1], writing=[8]) == [-1, -1, -1]
