"""Which branches go on when tokens run out."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm.decode.allowance import affordable


def test_the_first_ones_that_fit_go_on():
    active = jnp.array([[True, False, True, True, True]])
    cost = jnp.array([[3, 9, 3, 3, 3]])
    found = affordable(active, cost, jnp.array([9]))
    assert found.tolist() == [[True, False, True, True, False]]


def test_each_problem_has_its_own_tokens():
    active = jnp.ones((3, 2), bool)
    cost = jnp.full((3, 2), 5)
    found = affordable(active, cost, jnp.array([10, 9, 0]))
    assert found.tolist() == [[True, True], [True, False], [True, False]]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 50)), min_size=1),
    st.integers(0, 200),
)
def test_one_goes_on_and_no_more_than_fit(rows, left):
    active, cost = (np.array([column]) for column in zip(*rows, strict=True))
    found = np.asarray(
        affordable(jnp.asarray(active), jnp.asarray(cost), jnp.array([left]))
    )
    assert not (found & ~active).any()
    assert found.any() == active.any()
    assert found.sum() <= 1 or cost[found].sum() <= left
    # Those left out are the last ones.
    kept, out = np.flatnonzero(found), np.flatnonzero(active & ~found)
    if kept.size and out.size:
        assert kept.max() < out[out > kept.min()].min(initial=1 << 30)
