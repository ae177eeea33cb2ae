"""Which leaves are tried once more, and where a stuck beam goes back to."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlrm.limits import Limits
from jaxlrm.search import retry
from jaxlrm.search import tree as tree_lib
from jaxlrm.search.retry import TRIES
from jaxlrm.search.tree import ANSWER, OPEN, STEP, Steps, Tree

ROWS = 4
TOGETHER = np.ones((ROWS, ROWS), bool)
# The root has the children 1 and 2, and 1 has the child 3.
PARENTS = [-1, 0, 0, 1]

leaves = jax.jit(retry.leaves)
step_back = jax.jit(retry.step_back)


def tree_with(children, limits=None, **fields) -> Tree:
    """Two chains of steps of a token, after a prompt of ten."""
    depth = np.array([0, 1, 1, 2], np.int32)
    values = {
        "size": 4,
        "parent": PARENTS,
        "depth": depth,
        "end": 9 + depth,
        "kind": [STEP] * 4,
        "children": children,
    } | fields
    return tree_lib.empty(4, 1).replace(
        limits=(limits or Limits()).typed(),
        **{name: jnp.asarray(value) for name, value in values.items()},
    )


def steps_from(leaf) -> Steps:
    """Steps of the rows after the nodes `leaf [R]`."""
    integers = np.zeros(ROWS, np.int32)
    return Steps(
        leaf=np.array(leaf, np.int32),
        kind=integers + STEP,
        score=np.zeros(ROWS, np.float32),
        verdict=integers,
        group=integers,
        first=integers == 0,
        sound=integers == 0,
        count=integers + 1,
        known=integers > 0,
    )


# --- Leaves -------------------------------------------------------------------


def tried(leaf, sound, mates=TOGETHER, children=(0, 0, 0, 0)) -> list[int]:
    sound = np.isin(np.arange(ROWS), sound)
    steps = steps_from(leaf)._replace(sound=sound)
    found = leaves(tree_with(children), steps, mates)
    return np.flatnonzero(found).tolist()


def test_leaves_are_tried_again_where_nothing_was_sound():
    assert tried([2, 3, 3, -1], sound=[]) == [2, 3]
    assert tried([2, 3, 3, -1], sound=[1]) == []


def test_mates_alone_decide():
    pairs = np.kron(np.eye(2), np.ones((2, 2))) > 0
    assert tried([1, 1, 2, 3], sound=[1], mates=pairs) == [2, 3]


@pytest.mark.parametrize(
    ("leaf", "most"),
    [([3] * ROWS, TRIES * ROWS), ([2, 2, 3, 3], TRIES * ROWS // 2)],
)
def test_a_leaf_is_let_go_after_its_tries(leaf, most):
    """Leaves that share the rows share the tries."""
    assert 3 in tried(leaf, [], children=(0, 0, 0, most - 1))
    assert 3 not in tried(leaf, [], children=(0, 0, 0, most))


# --- Steps back ---------------------------------------------------------------


def live_again(leaf, children=(0, 0, 0, 0), stuck=True, **fields) -> list[int]:
    tree = tree_with(children, **fields)
    found = step_back(tree, steps_from(leaf), jnp.array(stuck))
    return np.flatnonzero(found.live).tolist()


def test_only_a_stuck_beam_goes_back():
    assert live_again([3] * ROWS, stuck=False) == []
    assert live_again([3] * ROWS, stuck=False, live=[False, True] * 2) == [1, 3]


def test_it_goes_back_to_the_node_that_was_extended_least():
    """Of several, to the latest: step after step, to the problem."""
    last = [3, 3, 3, -1]
    assert live_again(last, (4, 4, 0, 4)) == [3]  # 2 is on no last path
    assert live_again(last, (4, 4, 0, 8)) == [1]
    assert live_again(last, (4, 8, 0, 8)) == [0]
    assert live_again([3, 2, 2, -1], (4, 4, 4, 8)) == [2]


def test_only_the_problem_is_tried_for_ever():
    most = TRIES * ROWS
    assert live_again([3] * ROWS, (most, most - 1, 0, most)) == [1]
    assert live_again([3] * ROWS, (9 * most, most, 0, most)) == [0]


def test_an_ended_chain_and_one_without_room_are_no_places_to_go_back_to():
    assert live_again([3] * ROWS, kind=[STEP, STEP, STEP, OPEN]) == [3]
    assert live_again([3] * ROWS, kind=[STEP, STEP, STEP, ANSWER]) == [1]
    limits = Limits(chain_tokens=2)  # as many as node 3 has
    assert live_again([3] * ROWS, limits=limits) == [1]
    output = [0, 1, 0, 0]  # a tool's token after node 1
    assert live_again([3] * ROWS, limits=limits, output_length=output) == [0]
