"""Which nodes the next round extends."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxlrm.decode.allowance import affordable
from jaxlrm.search import tree as tree_lib
from jaxlrm.search.tree import Tree, at

# AlphaZero's (Silver et al. 2018).
_C_BASE, _C_INIT = 19652.0, 1.25


def places(count: jax.Array, width: int) -> jax.Array:
    """Places in the beam of a step that `count` branches wrote.

    A place is `width` branches of the next round: a step that many branches
    agree on keeps its weight though its duplicates are merged.
    """
    return -(-count // width)


def worth(score: jax.Array, count: jax.Array | int) -> jax.Array:
    """Log of `count` times the odds of `score`.

    Two witnesses: what the verifier thinks of a step, and how often the
    generator writes it. By the score alone the best of many rare steps is one
    that the verifier is wrong about.
    """
    p = jnp.clip(score, 1e-6, 1 - 1e-6)
    return jnp.log(p) - jnp.log1p(-p) + jnp.log(count)


def spread_over_live(
    tree: Tree, branches: int, groups: int
) -> tuple[jax.Array, jax.Array]:
    """Shares the branches among the live nodes, in groups of `B / groups`.

    Nodes are served by `worth`, then by count, then by number, each with its
    `places`; when the groups outnumber the places they go round again, so the
    branch count stays `B` when few nodes are left.

    Returns:
        `leaf [G, B] int32` (-1 if nothing is live) and `ordinal [G, B]
        int32`, the branch's number among all children of its leaf.
    """
    members = branches // groups
    value = worth(tree.score, jnp.maximum(tree.count, 1))
    order = jnp.lexsort((-tree.count, -value, ~tree.live), axis=1)
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


def by_group(tree: Tree, branches: int, groups: int):
    """Each of `groups` subtrees extends its live node with its own branches.

    One without a node extends the root, as long as that is live; else a subtree
    without a live node leaves its rows idle.

    Returns:
        `leaf [G, B] int32` and `ordinal [G, B] int32`, as `spread_over_live`.
    """
    members = branches // groups
    size = tree.live.shape[1]
    number = jnp.arange(size)
    own = tree.group[:, None] == jnp.arange(groups)[:, None]
    own &= (number > 0) & (number < tree.size[:, None])[:, None]
    begins = jnp.where(~own.any(-1) & tree.live[:, :1], 0, -1)
    own &= tree.live[:, None]
    found = jnp.where(own.any(-1), own.argmax(-1), begins)
    leaf = jnp.repeat(found, members, 1).astype(jnp.int32)
    within = jnp.where(
        leaf == 0, jnp.cumsum(leaf == 0, 1) - 1, jnp.arange(branches) % members
    )
    return leaf, (at(tree.children, leaf) + within).astype(jnp.int32)


def by_chain(tree: Tree, branches: int) -> tuple[jax.Array, jax.Array]:
    """Each branch goes on with its own chain, the newest node of its group.

    A branch without a node starts from the root; one whose newest node is not
    live does so too if it has written fewer tokens than `limits.min_tokens`,
    else it is idle.

    Returns:
        `leaf [G, B] int32` and `ordinal [G, B] int32`, as `spread_over_live`.
    """
    size = tree.live.shape[1]
    number = jnp.arange(size)
    own = tree.group[:, None] == jnp.arange(branches)[:, None]
    own &= (number > 0) & (number < tree.size[:, None])[:, None]
    newest = jnp.where(own, number, 0).max(-1)
    written = jnp.where(own, tree.length[:, None], 0).sum(-1)
    least = tree.limits.min_tokens[:, None]
    again = ~at(tree.live, newest) & (written < least)
    newest = jnp.where(again, 0, newest)
    leaf = jnp.where(at(tree.live, newest), newest, -1).astype(jnp.int32)
    within = jnp.cumsum(leaf == 0, 1) - 1  # several may start at the root
    ordinal = at(tree.children, leaf) + jnp.where(leaf == 0, within, 0)
    return leaf, ordinal.astype(jnp.int32)


def by_softmax(
    tree: Tree, branches: int, budget: jax.Array, temperature: float
) -> tuple[jax.Array, jax.Array]:
    """Shares `budget [G]` branches by the softmax of the live nodes' scores.

    A node that stands for several equal steps weighs as much as they would.
    The rounding of REBASE (Wu et al. 2024, section 3): nodes in the order of
    their weights get `ceil(left * w / sum of the weights left)`, so that the
    sum is exact.

    Returns:
        `leaf [G, B] int32` and `ordinal [G, B] int32`; rows over the budget
        are idle.
    """
    logits = tree.score / temperature + jnp.log(jnp.maximum(tree.count, 1))
    logits = jnp.where(tree.live, logits, -jnp.inf)
    order = jnp.argsort(-logits, axis=1, stable=True)
    weights = jnp.take_along_axis(jax.nn.softmax(logits, axis=1), order, 1)
    weights = jnp.where(jnp.take_along_axis(tree.live, order, 1), weights, 0.0)

    # The weight left at each node, from the end, so that the last gets all.
    whole = jnp.cumsum(weights[:, ::-1], 1)[:, ::-1]

    def deal(weights, whole, budget):
        def give(left, pair):
            weight, rest = pair
            share = weight / jnp.maximum(rest, 1e-30)
            given = jnp.where(weight > 0, jnp.ceil(left * share - 1e-4), 0.0)
            given = jnp.minimum(given, left)
            return left - given, given

        start = budget.astype(jnp.float32)
        return jax.lax.scan(give, start, (weights, whole))[1]

    given = jax.vmap(deal)(weights, whole, budget)
    ends = jnp.cumsum(given, 1)
    number = jnp.arange(branches, dtype=jnp.float32)
    place = jax.vmap(lambda e: jnp.searchsorted(e, number, side="right"))(ends)
    known = number < ends[:, -1:]
    place = jnp.minimum(place, order.shape[1] - 1)
    leaf = jnp.where(known, jnp.take_along_axis(order, place, 1), -1)
    starts = jnp.take_along_axis(ends - given, place, 1)
    within = (number - starts).astype(jnp.int32)
    leaf = leaf.astype(jnp.int32)
    return leaf, at(tree.children, leaf) + jnp.where(known, within, 0)


# (value, visits, prior, visits of the parent) -> what the search prefers, all
# [G, B] for the children of a node, but [G, 1] for the parent.
Rule = Callable[..., jax.Array]


def puct(value, visits, prior, parent):
    """PUCT of AlphaZero: the mean value and a bonus for the little visited.

    `Q + c P sqrt(N_parent) / (1 + N)`, `c` growing slowly with the visits.
    """
    c = jnp.log((parent + _C_BASE + 1) / _C_BASE) + _C_INIT
    return value + c * prior * jnp.sqrt(parent) / (1 + visits)


def uct(value, visits, prior, parent, c: float = 2.0):
    """UCT as in rStar-Math: `Q + c sqrt(ln N_parent / N)`, unvisited first."""
    bonus = c * jnp.sqrt(
        jnp.log(jnp.maximum(parent, 1)) / jnp.maximum(visits, 1)
    )
    return jnp.where(visits > 0, value + bonus, 1e6 + prior)


def descend(tree: Tree, branches: int, groups: int, rule: Rule):
    """Selects `groups` leaves, one after another, each by walking down.

    A walk goes to the child that `rule` prefers until no child is alive. A
    node walked through counts as visited and found to be worth nothing (a
    virtual loss), so that the next walk of the round spreads out. A child's
    value is what `backup` made of it, its own score before its first visit;
    its prior the softmax of the children's `prior` and count.

    The search keeps all children of a node in one round, and calls
    `tree.refresh` for nodes whose `live` it changes.

    Returns:
        `leaf [G, B] int32` and `ordinal [G, B] int32`, each leaf `B / groups`
        times in a row.
    """
    members = branches // groups

    def children(node):
        number, mine = tree_lib.children_of(tree, node, branches)
        return number[:, 0], mine[:, 0]

    def down(carry):
        node, visits, number, mine = carry  # node [G, 1], number [G, B]
        seen = at(visits, number)
        logits = at(tree.prior, number) + jnp.log(at(tree.count, number))
        prior = jax.nn.softmax(jnp.where(mine, logits, -jnp.inf))
        found = at(tree.visits, number) > 0
        mean = jnp.where(found, at(tree.value, number), at(tree.score, number))
        mean = mean / jnp.maximum(seen, 1)
        wanted = rule(mean, seen, prior, at(visits, node))
        best = jnp.where(mine, wanted, -jnp.inf).argmax(1)[:, None]
        child = jnp.take_along_axis(number, best, 1)
        on = mine.any(1, keepdims=True)
        visits = _visit(visits, jnp.where(on, node, size))
        node = jnp.where(on, child, node)
        return node, visits, *children(node)

    def walk(visits, _):
        carry = (root, visits, *children(root))
        leaf, visits, *_ = jax.lax.while_loop(
            lambda carry: carry[-1].any(), down, carry
        )
        return _visit(visits, leaf), leaf[:, 0]

    size = tree.parent.shape[1]
    root = jnp.zeros((len(tree.size), 1), jnp.int32)
    visits = tree.visits.astype(jnp.float32)
    leaves = jax.lax.scan(walk, visits, length=groups)[1].T
    leaves = jnp.where(at(tree.live, leaves), leaves, -1)
    before = (leaves[:, :, None] == leaves[:, None, :]) & jnp.tri(
        groups, k=-1, dtype=bool
    )
    first = at(tree.children, leaves) + before.sum(-1) * members
    leaf = jnp.repeat(leaves, members, 1)
    ordinal = jnp.repeat(first, members, 1) + jnp.arange(branches) % members
    return leaf, ordinal.astype(jnp.int32)


def _visit(visits: jax.Array, node: jax.Array) -> jax.Array:
    """`visits [G, N]` with one more for each `node [G, 1]`."""
    return jax.vmap(lambda v, n: v.at[n].add(1.0, mode="drop"))(visits, node)


def narrow(tree: Tree, leaf: jax.Array) -> jax.Array:
    """Leaves that the tokens left suffice for, see `jaxlrm.decode.allowance`.

    A quarter of the longest step stands for a chain that has not begun, unless
    others have ended: then their mean does.

    Args:
        tree: the trees.
        leaf: `[G, B] int32` of a strategy, those it prefers first; -1 for an
            idle row.

    Returns:
        `[G, B] int32`: the others are idle. One row goes on in any case.
    """
    written = tree.end - tree.end[:, :1]
    ended = jnp.where(tree.kind == tree_lib.ANSWER, tree.count, 0)
    number = jnp.maximum(ended.sum(1), 1)
    mean = (ended * written).sum(1) // number
    guess = -(-tree.step_tokens // 4)
    begins = jnp.where(ended.any(1), mean, guess)[:, None]
    guess = guess[:, None]
    cost = jnp.maximum(at(written, leaf), jnp.where(leaf > 0, guess, begins))
    return jnp.where(
        affordable(leaf >= 0, cost, tree.limits.tokens - tree.spent), leaf, -1
    )
