"""Carries what a round found up the tree.

Each function takes the trees, the nodes `[G, W] int32` where simulations ended
(-1 for none) and what they found, `[G, W] float32`; it adds a visit for each to
all nodes on its path. The value of a node is then `value / visits`.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxlrm.search.tree import Tree, at, put

Backup = Callable[[Tree, jax.Array, jax.Array], Tree]


def mean(tree: Tree, nodes: jax.Array, value: jax.Array) -> Tree:
    """A node is worth the mean of what was found through it."""

    def add(same, total, before, now):
        del before, now
        return total + jnp.where(same, value[:, None], 0.0).sum(-1)

    return _carry(tree, nodes, add)


def maximum(tree: Tree, nodes: jax.Array, value: jax.Array) -> Tree:
    """A node is worth the best that was found through it.

    As where one good chain is all that is looked for (Coulom 2006 compares
    both).
    """

    def best(same, total, before, now):
        known = jnp.where(before > 0, total / jnp.maximum(before, 1), -jnp.inf)
        found = jnp.where(same, value[:, None], -jnp.inf).max(-1)
        return now * jnp.maximum(known, found)

    return _carry(tree, nodes, best)


def _carry(tree: Tree, nodes: jax.Array, combine) -> Tree:
    """Goes up all paths at once.

    Of several that meet in a node each writes what all of them bring: `same
    [G, W, W] bool` says which those are.
    """

    def step(carry):
        visits, total, nodes = carry
        same = nodes[:, :, None] == nodes[:, None, :]
        before = at(visits, nodes)
        now = before + same.sum(-1)
        found = combine(same, at(total, nodes), before, now)
        target = jnp.where(nodes < 0, size, nodes)
        visits = put(visits, target, now)
        total = put(total, target, found)
        return visits, total, jnp.where(nodes < 0, -1, at(tree.parent, nodes))

    size = tree.parent.shape[1]
    visits, total, _ = jax.lax.while_loop(
        lambda carry: (carry[2] >= 0).any(),
        step,
        (tree.visits, tree.value, nodes),
    )
    return tree.replace(visits=visits, value=total)


BY_NAME: dict[str, Backup] = {"mean": mean, "max": maximum}
