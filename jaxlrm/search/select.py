"""Which nodes the next round extends."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlrm.search.tree import Tree, at


def spread_over_live(
    tree: Tree, branches: int, groups: int
) -> tuple[jax.Array, jax.Array]:
    """Shares the branches among all live nodes, in groups of `B / groups`.

    Group `j` extends the live node number `j mod n`, newest last, so `n` may
    be anything up to `groups`; the branch count stays `B` when few are left.

    Returns:
        `leaf [G, B] int32` (-1 if nothing is live) and `ordinal [G, B]
        int32`, the branch's number among all children of its leaf.
    """
    capacity = tree.live.shape[1]
    alive = tree.live.sum(1, dtype=jnp.int32)[:, None]
    # Live nodes first, in the order of their numbers.
    order = jnp.argsort(~tree.live, axis=1, stable=True)[:, :groups]
    order = jnp.pad(order, ((0, 0), (0, max(0, groups - capacity))))
    members = branches // groups
    group = jnp.arange(branches) // members
    known = jnp.minimum(jnp.maximum(alive, 1), groups)
    leaf = jnp.take_along_axis(order, group[None] % known, axis=1)
    leaf = jnp.where(alive > 0, leaf, -1).astype(jnp.int32)
    again = group[None] // known
    ordinal = at(tree.children, leaf) + again * members
    return leaf, (ordinal + jnp.arange(branches) % members).astype(jnp.int32)


def best(mask: jax.Array, value: jax.Array, number: int) -> jax.Array:
    """The `number` highest `value [G, B]` among `mask`, as a mask.

    Ties go to the lower branch.
    """
    ranked = jnp.where(mask, value, -jnp.inf)
    order = jnp.argsort(-ranked, axis=1, stable=True)
    rank = jnp.argsort(order, axis=1)
    return mask & (rank < number)
