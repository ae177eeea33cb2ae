"""Carries what a round found up the tree."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlrm.search.tree import Tree, ancestors


def mean(tree: Tree, nodes: jax.Array, value: jax.Array) -> Tree:
    """Adds a visit and its value to all nodes on the paths to `nodes`.

    A node's mean is then `value / visits`.

    Args:
        tree: the trees.
        nodes: `[G, W] int32`, where simulations ended; -1 for none.
        value: `[G, W] float32`, what they found.
    """
    path = ancestors(tree, nodes)
    found = jnp.where(path, value[..., None], 0.0).sum(1)
    return tree.replace(
        visits=tree.visits + path.sum(1, dtype=jnp.int32),
        value=tree.value + found,
    )
