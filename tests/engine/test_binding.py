"""The part of the binding that shares out what room a cache has."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlrm.engine import binding
from jaxlrm.limits import Limits
from jaxlrm.search import tree

S = 8


def test_what_fits_is_kept_though_a_better_step_is_too_long():
    """Seven slots are free, and the best step has eight tokens."""
    lengths, scores = [7, 5, 8, 3], [0.6, 0.7, 0.9, 0.5]
    nothing = jnp.zeros(4, jnp.int32)
    found = tree.plant(
        tree.empty(6, S), jax.random.key(0), jnp.array(4), Limits().typed()
    )
    twigs = tree.Twigs(
        leaf=nothing,
        node=nothing - 1,
        key=jax.random.split(jax.random.key(1), 4),
        tokens=jnp.zeros((4, S), jnp.int32),
        length=jnp.array(lengths),
        forced=nothing,
        kind=jnp.full(4, tree.STEP),
        score=jnp.array(scores),
        partial=jnp.zeros(4),
        logp=jnp.zeros(4),
        reading=nothing,
        begun=nothing,
        ordinal=nothing,
    )
    keep = jnp.ones(4, bool)
    found, nodes = tree.add(
        found, twigs, keep, verdict=nothing, count=nothing + 1, group=nothing
    )
    twigs = twigs.replace(node=nodes)
    free = jnp.full(7, -1)
    found = binding._drop_what_does_not_fit(free, found, twigs)
    assert found.live[1:5].tolist() == [False, True, False, False]
    assert int(found.dropped) == 3
