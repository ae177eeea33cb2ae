"""Which nodes the rows extend next: functions of one problem's tree.

Each gives `leaf [R] int32`, the node for each row or -1, as if all rows were
`idle [R]`: the loop leaves out those that are not.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlrm.limits import affordable
from jaxlrm.search import tree as tree_lib
from jaxlrm.search.tree import Tree, Twigs, at


def places(count: jax.Array, width: int) -> jax.Array:
    """Places in the beam of a step that `count` rows wrote.

    A place is `width` rows of the next round: a step that many rows agree on
    keeps its weight though its duplicates are merged.
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
        mask: `[R] bool`.
        value: `[R]`, the highest is served first.
        second: `[R]`, decides between equal values, then `count`, then the row.
        count: `[R] int32`, rows that each stands for.
        number: places in all; the last one served may want more than are left.
        width: see `places`.
    """
    order = jnp.lexsort((-count, -second, -value, ~mask))
    wanted = jnp.where(mask, places(count, width), 0)[order]
    taken = jnp.cumsum(wanted) - wanted
    served = (taken < number) & (wanted > 0)
    return served[jnp.argsort(order)]


def spread_over_live(tree: Tree, idle: jax.Array, groups: int) -> jax.Array:
    """Shares the rows among the live nodes, in groups of `R / groups`.

    Nodes are served by `worth`, then by count, then by number, each with its
    `places`; when the groups outnumber the places they go round again, so all
    rows are busy when few nodes are left.
    """
    members = len(idle) // groups
    value = worth(tree.score, jnp.maximum(tree.count, 1))
    order = jnp.lexsort((-tree.count, -value, ~tree.live))
    wanted = jnp.where(tree.live, places(tree.count, members), 0)
    ends = jnp.cumsum(wanted[order])
    turn = jnp.arange(groups) % jnp.clip(ends[-1], 1, groups)
    found = jnp.searchsorted(ends, turn, side="right")
    nodes = order[jnp.minimum(found, order.size - 1)]
    return jnp.repeat(jnp.where(tree.live.any(), nodes, -1), members)


def by_group(tree: Tree, idle: jax.Array, groups: int) -> jax.Array:
    """Each group of rows goes on from the newest node of its own subtree.

    One without a node starts from the root; one whose newest node is not live
    has come to its end.
    """
    number = jnp.arange(tree.live.shape[0])
    own = tree.group == jnp.arange(groups)[:, None]
    own &= (number > 0) & (number < tree.size)
    newest = jnp.where(own, number, 0).max(-1)
    found = jnp.where(tree.live[newest], newest, -1)
    return jnp.repeat(found, len(idle) // groups)


def by_softmax(
    tree: Tree, idle: jax.Array, budget: jax.Array, temperature: float
) -> jax.Array:
    """Shares `budget` rows by the softmax of the live nodes' scores.

    A node that stands for several equal steps weighs as much as they would.
    The rounding of REBASE (Wu et al. 2024, section 3): nodes in the order of
    their weights get `ceil(left * w / sum of the weights left)`, so that the
    sum is exact. Rows over the budget are idle.
    """
    logits = tree.score / temperature + jnp.log(jnp.maximum(tree.count, 1))
    logits = jnp.where(tree.live, logits, -jnp.inf)
    order = jnp.argsort(-logits, stable=True)
    weights = jnp.where(tree.live, jax.nn.softmax(logits), 0.0)[order]
    # The weight left at each node, from the end, so that the last gets all.
    whole = jnp.cumsum(weights[::-1])[::-1]

    def give(left, pair):
        weight, rest = pair
        share = weight / jnp.maximum(rest, 1e-30)
        given = jnp.where(weight > 0, jnp.ceil(left * share - 1e-4), 0.0)
        given = jnp.minimum(given, left)
        return left - given, given

    left = budget.astype(jnp.float32)
    ends = jnp.cumsum(jax.lax.scan(give, left, (weights, whole))[1])
    number = jnp.arange(len(idle), dtype=jnp.float32)
    place = jnp.searchsorted(ends, number, side="right")
    place = jnp.minimum(place, order.size - 1)
    return jnp.where(number < ends[-1], order[place], -1)


def puct(value, visits, prior, parent):
    """PUCT of AlphaZero (Silver et al. 2018), of the children of a node.

    The mean value and a bonus for the little visited: `Q + c P sqrt(N_parent) /
    (1 + N)`, where `c` grows slowly with the visits of the parent.
    """
    c = jnp.log((parent + 19652 + 1) / 19652) + 1.25
    return value + c * prior * jnp.sqrt(parent) / (1 + visits)


def descend(tree: Tree, idle: jax.Array, groups: int) -> jax.Array:
    """Selects `groups` leaves, one after another, each by walking down.

    A walk goes to the child that `puct` prefers until none can be extended,
    nor a node below it. A node walked through counts as visited and found to be
    worth nothing (a virtual loss), so that the next walk of the round spreads
    out. A child's value is the mean of what was found through it, its own score
    before its first visit; its prior the softmax of the children's `prior` and
    count. All children that are kept of a node are of one round.
    """
    size = tree.live.shape[0]
    alive = tree_lib.has_live_descendant(tree)
    # The children of a node are among the `R` nodes from the first of them on.
    parent = jnp.where(tree.parent < 0, size, tree.parent)
    first = jnp.full(size, size).at[parent].min(jnp.arange(size), mode="drop")
    found = jnp.where(tree.visits > 0, tree.value, tree.score)
    weight = tree.prior + jnp.log(tree.count)

    def children(node):
        number = first[node] + jnp.arange(len(idle))
        inside = jnp.minimum(number, size - 1)
        mine = (tree.parent[inside] == node) & alive[inside]
        return inside, mine & (inside == number)

    def down(carry):
        node, visits, number, mine = carry
        seen = visits[number]
        prior = jax.nn.softmax(jnp.where(mine, weight[number], -jnp.inf))
        value = found[number] / jnp.maximum(seen, 1)
        wanted = puct(value, seen, prior, visits[node])
        child = number[jnp.where(mine, wanted, -jnp.inf).argmax()]
        return child, visits.at[node].add(1.0), *children(child)

    def walk(visits, _):
        begin = root, visits, *children(root)
        leaf, visits, *_ = jax.lax.while_loop(
            lambda carry: carry[-1].any(), down, begin
        )
        return visits.at[leaf].add(1.0), leaf

    root, visits = jnp.int32(0), tree.visits.astype(jnp.float32)
    leaves = jax.lax.scan(walk, visits, length=groups)[1]
    leaves = jnp.where(tree.live[leaves], leaves, -1)
    return jnp.repeat(leaves, len(idle) // groups)


def ordinals(tree: Tree, leaf: jax.Array) -> jax.Array:
    """`[R] int32`, each row's number among all children of its leaf."""
    before = tree_lib.pairs(leaf) & tree_lib.earlier(len(leaf))
    return at(tree.children, leaf) + before.sum(-1, dtype=jnp.int32)


def narrow(tree: Tree, twigs: Twigs, leaf: jax.Array) -> jax.Array:
    """`leaf [R]` of the rows that the tokens left suffice for, else -1.

    A chain goes on only if the tokens left would let all that go on, those in
    the middle of a step first, become longer by what they cost: what is to come
    is about what has been written, if nothing else is known. So as its tokens
    run out a search narrows to its best chain, instead of ending with many that
    say nothing; one row goes on in any case. A quarter of the longest step
    stands for a chain that has not begun, or the mean of those that have ended.
    """
    limit = tree.limits.step_tokens + tree.output.shape[-1]
    ended = jnp.where(tree.answers, tree.count, 0)
    mean = (ended * tree.written).sum() // jnp.maximum(ended.sum(), 1)
    guess = -(-limit // 4)
    least = jnp.where((leaf <= 0) & ended.any(), mean, guess)
    new = jnp.maximum(at(tree.written, leaf), least)
    half = jnp.where(twigs.writing, (twigs.length - twigs.forced) // 2 + 1, 0)
    left = tree.limits.tokens - tree.spent - half.sum()
    alone = ~twigs.writing.any()
    fits = affordable(leaf >= 0, new, left) & (alone | (new <= left))
    return jnp.where(fits, leaf, -1)
