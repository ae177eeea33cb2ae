"""The part of the binding that shares out what room a cache has."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlrm.engine import binding
from jaxlrm.models import cache as cache_lib
from jaxlrm.search import tree
from jaxlrm.testing import model_config

S = 8


def test_what_fits_is_kept_though_a_better_step_is_too_long():
    """Seven slots are free, and the best step has eight tokens."""
    lengths, scores = [7, 5, 8, 3], [0.6, 0.7, 0.9, 0.5]
    cache = cache_lib.allocate(
        model_config(),
        1,
        prompt=4,
        trunk=7,
        stem=0,
        twig=S,
        branches=4,
        groups=4,
        nodes=6,
    )
    trees = tree.plant(
        tree.empty(1, 6, S),
        jnp.array([True]),
        jax.random.split(jax.random.key(0), 1),
        jnp.array([4]),
    )
    twigs = tree.Twigs(
        leaf=jnp.zeros((1, 4), jnp.int32),
        key=jax.random.split(jax.random.key(1), (1, 4)),
        tokens=jnp.zeros((1, 4, S), jnp.int32),
        valid=jnp.arange(S) < jnp.array([lengths])[..., None],
        kind=jnp.full((1, 4), tree.STEP),
        score=jnp.array([scores]),
        partial=jnp.zeros((1, 4)),
        logp=jnp.zeros((1, 4)),
        ahead=jnp.zeros((1, 4), jnp.int32),
        forced=jnp.zeros((1, 4), jnp.int32),
        reading=jnp.zeros((1, 4), jnp.int32),
    )
    keep, count = jnp.ones((1, 4), bool), jnp.ones((1, 4), jnp.int32)
    trees, nodes = tree.add(trees, twigs, keep, 0 * count, count)
    trees = binding._drop_what_does_not_fit(cache, trees, twigs, nodes)
    assert trees.live[0, 1:5].tolist() == [False, True, False, False]
    assert int(trees.dropped[0]) == 3
