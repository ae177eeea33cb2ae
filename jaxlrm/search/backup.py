"""Carries what a round found up the tree."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlrm.search.tree import Tree, at, put


def mean(tree: Tree, nodes: jax.Array, value: jax.Array) -> Tree:
    """Adds a visit and its value to all nodes on the paths to `nodes`.

    A node's mean is then `value / visits`.

    Args:
        tree: the trees.
        nodes: `[G, W] int32`, where simulations ended; -1 for none.
        value: `[G, W] float32`, what they found.
    """

    def step(carry):
        visits, total, nodes = carry
        # Of several that meet in a node each writes what all of them bring.
        same = nodes[:, :, None] == nodes[:, None, :]
        found = jnp.where(same, value[:, None], 0.0).sum(-1)
        target = jnp.where(nodes < 0, size, nodes)
        visits = put(visits, target, at(visits, nodes) + same.sum(-1))
        total = put(total, target, at(total, nodes) + found)
        return visits, total, jnp.where(nodes < 0, -1, at(tree.parent, nodes))

    size = tree.parent.shape[1]
    visits, total, _ = jax.lax.while_loop(
        lambda carry: (carry[2] >= 0).any(),
        step,
        (tree.visits, tree.value, nodes),
    )
    return tree.replace(visits=visits, value=total)
