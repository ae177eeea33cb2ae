"""Which nodes the next round extends."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlrm.search.tree import Tree, at


def places(count: jax.Array, width: int) -> jax.Array:
    """Places in the beam of a step that `count` branches wrote.

    A place is `width` branches of the next round: a step that many branches
    agree on keeps its weight though its duplicates are merged.
    """
    return -(-count // width)


def spread_over_live(
    tree: Tree, branches: int, groups: int
) -> tuple[jax.Array, jax.Array]:
    """Shares the branches among the live nodes, in groups of `B / groups`.

    Nodes are served by score, then by count, then by number, each with its
    `places`; when the groups outnumber the places they go round again, so the
    branch count stays `B` when few nodes are left.

    Returns:
        `leaf [G, B] int32` (-1 if nothing is live) and `ordinal [G, B]
        int32`, the branch's number among all children of its leaf.
    """
    members = branches // groups
    order = jnp.lexsort((-tree.count, -tree.score, ~tree.live), axis=1)
    live = jnp.take_along_axis(tree.live, order, 1)
    counts = jnp.take_along_axis(tree.count, order, 1)
    ends = jnp.cumsum(jnp.where(live, places(counts, members), 0), 1)
    total = jnp.clip(ends[:, -1:], 1, groups)
    turn = jnp.arange(groups) % total
    found = jax.vmap(lambda e, t: jnp.searchsorted(e, t, side="right"))(
        ends, turn
    )
    nodes = jnp.take_along_axis(
        order, jnp.minimum(found, order.shape[1] - 1), 1
    )
    nodes = jnp.where(live[:, :1], nodes, -1).astype(jnp.int32)
    before = (nodes[:, :, None] == nodes[:, None, :]) & jnp.tri(
        groups, k=-1, dtype=bool
    )
    first = at(tree.children, nodes) + before.sum(-1) * members
    leaf = jnp.repeat(nodes, members, 1)
    ordinal = jnp.repeat(first, members, 1)
    return leaf, (ordinal + jnp.arange(branches) % members).astype(jnp.int32)


def best(
    mask: jax.Array,
    value: jax.Array,
    second: jax.Array,
    count: jax.Array,
    number: int,
    width: int,
) -> jax.Array:
    """Those among `mask` that get one of the first `number` places.

    Args:
        mask: `[G, B] bool`.
        value: `[G, B]`, the highest is served first.
        second: `[G, B]`, decides between equal values; then `count` does,
            then the lower branch.
        count: `[G, B] int32`, branches that each stands for.
        number: places in all.
        width: see `places`.

    Returns:
        `[G, B] bool`; the last one served may want more places than are left.
    """
    order = jnp.lexsort((-count, -second, -value, ~mask), axis=1)
    wanted = jnp.where(mask, places(count, width), 0)
    wanted = jnp.take_along_axis(wanted, order, 1)
    taken = jnp.cumsum(wanted, 1) - wanted
    served = (taken < number) & (wanted > 0)
    rank = jnp.argsort(order, axis=1)
    return jnp.take_along_axis(served, rank, 1)
