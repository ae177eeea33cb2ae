"""Carries what a simulation found up the tree."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlrm.search.tree import Tree, at, pairs, put


def mean(tree: Tree, nodes: jax.Array, value: jax.Array) -> Tree:
    """A node is worth the mean of what was found through it.

    All paths are gone up at once; of several that meet in a node each writes
    what all of them bring.

    Args:
        tree: the tree.
        nodes: `[W] int32`, where simulations ended; -1 for none.
        value: `[W] float32`, what each found.

    Returns:
        The tree with a visit more for each, and its value added, at all nodes
        of its path: a node is worth `value / visits`.
    """

    def step(carry):
        visits, total, nodes = carry
        same = pairs(nodes)
        now = at(visits, nodes) + same.sum(-1)
        found = at(total, nodes) + jnp.where(same, value, 0.0).sum(-1)
        visits, total = put(visits, nodes, now), put(total, nodes, found)
        return visits, total, jnp.where(nodes < 0, -1, at(tree.parent, nodes))

    visits, total, _ = jax.lax.while_loop(
        lambda carry: (carry[2] >= 0).any(),
        step,
        (tree.visits, tree.value, nodes),
    )
    return tree.replace(visits=visits, value=total)
