"""The tree of kept steps, as arrays, for `G` problems at once.

Node 0 is the prompt. Nodes are numbered in the order they are kept, so a
parent's number is always smaller than its children's.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct

from jaxlrm.limits import Limits

# Kinds of nodes and of the steps that branches write.
FREE, STEP, OPEN, ANSWER = 0, 1, 2, 3

# Verdicts, as `jaxlrm.verify.verdict.Verdict` numbers them.
UNKNOWN, VALID, INVALID = 0, 1, 2


@struct.dataclass
class Tree:
    """Nodes `[G, N]`.

    Attributes:
        size: `[G] int32`, nodes in use.
        rounds: `[G] int32`, rounds so far.
        spent: `[G] int32`, tokens that the generator wrote.
        limits: `[G]`, what the search of each problem may do and spend.
        dropped: `[G] int32`, steps let go because the cache was full.
        peak: `[G] int32`, most tokens of kept steps that the cache has held.
        parent: `int32`, -1 for the root.
        depth: `int32`, nodes since the prompt.
        steps: `int32`, finished steps since the prompt: OPEN nodes are none.
        end: `int32`, position of the node's last token.
        length: `int32`, tokens in the node (0 for the root: the cache has
            the prompt).
        kind: `int32`, FREE, STEP, OPEN (cut by the token limit; its next
            step goes on) or ANSWER.
        live: `bool`, may be selected for extension.
        alive: `bool`, it or a node below it is live: kept by `refresh`, for
            searches that walk down the tree.
        first: `int32`, the number of its first child in the last round that
            gave it any; `N` if it has none.
        children: `int32`, branches grown from the node so far.
        count: `int32`, branches that wrote it.
        group: `int32`, subtree of a search that keeps several apart.
        visits: `int32`, simulations that went through it.
        value: `float32`, `visits` times what the node is worth, see `backup`.
        prior: `float32`, mean log-probability of its tokens, without a tool's.
        score: `float32`, of the chain's finished steps up to the node, in
            (0, 1): see `aggregate`; lowered where the chain is in doubt.
        doubtful: `bool`, a step of the chain up to the node is in doubt.
        partial: `float32`, of an OPEN node, what the likelihood of its step so
            far adds to the logit of the step's score.
        verdict: `int32`.
        reading: `int32`, the decoder's state after its last token, see
            `generate.Tables`; the root's is the decoder's to know.
        key: `[G, N]` PRNG keys: a child's is folded from its parent's and its
            ordinal, so results do not depend on what else is in the batch.
        tokens: `[G, N, S] int32`.
        output: `[G, N, O] int32`, what a tool wrote after the step: its
            children begin with it.
        output_length: `int32`.
    """

    size: jax.Array
    rounds: jax.Array
    spent: jax.Array
    limits: Limits
    dropped: jax.Array
    peak: jax.Array
    parent: jax.Array
    depth: jax.Array
    steps: jax.Array
    end: jax.Array
    length: jax.Array
    kind: jax.Array
    live: jax.Array
    alive: jax.Array
    first: jax.Array
    children: jax.Array
    count: jax.Array
    group: jax.Array
    visits: jax.Array
    value: jax.Array
    prior: jax.Array
    score: jax.Array
    doubtful: jax.Array
    partial: jax.Array
    verdict: jax.Array
    reading: jax.Array
    key: jax.Array
    tokens: jax.Array
    output: jax.Array
    output_length: jax.Array

    @property
    def step_tokens(self) -> jax.Array:
        """`[G] int32`, most tokens of a step, a tool's before them included."""
        return self.limits.step_tokens + self.output.shape[-1]


@struct.dataclass
class Twigs:
    """What the branches of one round wrote.

    Attributes:
        leaf: `[G, B] int32`, node each branch extends; -1 for an idle row.
        key: `[G, B]` PRNG keys.
        tokens: `[G, B, S] int32`.
        valid: `[G, B, S] bool`, written.
        kind: `[G, B] int32`, STEP, OPEN or ANSWER.
        score: `[G, B] float32`, the learned verifier's, in (0, 1).
        partial: `[G, B] float32`, see `Tree`; 0 but for OPEN.
        logp: `[G, B] float32`, log-probability of the tokens.
        ahead: `[G, B] int32`, tokens written only to be scored.
        forced: `[G, B] int32`, first tokens, which a tool wrote.
        reading: `[G, B] int32`, see `Tree`; the host is not shown it.
    """

    leaf: jax.Array
    key: jax.Array
    tokens: jax.Array
    valid: jax.Array
    kind: jax.Array
    score: jax.Array
    partial: jax.Array
    logp: jax.Array
    ahead: jax.Array
    forced: jax.Array
    reading: jax.Array | None = None

    @property
    def length(self) -> jax.Array:
        """`[G, B] int32` tokens, a tool's among them."""
        return self.valid.sum(-1, dtype=jnp.int32)

    @property
    def spent(self) -> jax.Array:
        """`[G, B] int32` tokens that the generator wrote."""
        return self.length - self.forced + self.ahead


def empty(
    problems: int,
    nodes: int,
    step_tokens: int,
    output_tokens: int = 0,
    limits: Limits | None = None,
) -> Tree:
    """A tree of `G` problems without any node.

    Args:
        problems: `G`.
        nodes: `N`.
        step_tokens: `S`.
        output_tokens: `O`.
        limits: `[G]`; by default none but the sizes of the arrays.
    """
    if limits is None:
        written = step_tokens - output_tokens
        limits = Limits(step_tokens=written).spread(problems)
    shape = (problems, nodes)
    nothing = jnp.zeros(problems, jnp.int32)
    integers = jnp.zeros(shape, jnp.int32)
    floats = jnp.zeros(shape, jnp.float32)
    return Tree(
        size=nothing,
        rounds=nothing,
        spent=nothing,
        limits=limits,
        dropped=nothing,
        peak=nothing,
        parent=integers - 1,
        depth=integers,
        steps=integers,
        end=integers,
        length=integers,
        kind=integers,
        live=jnp.zeros(shape, bool),
        alive=jnp.zeros(shape, bool),
        first=integers + nodes,
        children=integers,
        count=integers,
        group=integers,
        visits=integers,
        value=floats,
        prior=floats,
        score=floats,
        doubtful=jnp.zeros(shape, bool),
        partial=floats,
        verdict=integers,
        reading=integers,
        key=jax.random.split(jax.random.key(0), shape),
        tokens=jnp.zeros((*shape, step_tokens), jnp.int32),
        output=jnp.zeros((*shape, output_tokens), jnp.int32),
        output_length=integers,
    )


def plant(
    tree: Tree,
    mask: jax.Array,
    keys: jax.Array,
    prompt_length: jax.Array,
    limits: Limits | None = None,
) -> Tree:
    """Clears the problems in `mask` to a root each.

    Args:
        tree: the trees.
        mask: `[G] bool`.
        keys: `[G]` PRNG keys of the roots.
        prompt_length: `[G] int32`.
        limits: `[G]`, of their searches; see `empty`.
    """
    problems, nodes, steps = tree.tokens.shape
    outputs = tree.output.shape[-1]
    fresh = empty(problems, nodes, steps, outputs, limits)
    fresh = fresh.replace(
        size=fresh.size + 1,
        end=fresh.end.at[:, 0].set(prompt_length - 1),
        kind=fresh.kind.at[:, 0].set(STEP),
        live=fresh.live.at[:, 0].set(True),
        alive=fresh.alive.at[:, 0].set(True),
        count=fresh.count.at[:, 0].set(1),
        key=fresh.key.at[:, 0].set(keys),
    )
    return select_problems(mask, fresh, tree)


def select_problems(mask: jax.Array, new, old):
    """Leaves `[G, ...]` of `new` where `mask [G]`, of `old` elsewhere."""

    def pick(a, b):
        return jnp.where(mask.reshape(-1, *([1] * (a.ndim - 1))), a, b)

    return jax.tree.map(pick, new, old)


# Problems are mapped over, never indexed: so devices that share them need not
# talk to each other.


def at(values: jax.Array, nodes: jax.Array) -> jax.Array:
    """`values [G, N, ...]` of `nodes [G, B]`; -1 reads node 0."""
    return jax.vmap(lambda values, nodes: values[nodes])(
        values, jnp.maximum(nodes, 0)
    )


def put(values: jax.Array, nodes: jax.Array, new: jax.Array) -> jax.Array:
    """`values [G, N, ...]` with `new [G, B, ...]` at `nodes [G, B]`.

    A node that is N or more is left out.
    """
    return jax.vmap(
        lambda values, nodes, new: values.at[nodes].set(new, mode="drop")
    )(values, nodes, new)


def add(
    tree: Tree,
    twigs: Twigs,
    keep: jax.Array,
    verdict: jax.Array,
    count: jax.Array,
    group: jax.Array | int = 0,
) -> tuple[Tree, jax.Array]:
    """Adds the twigs in `keep` as nodes, in the order of their branches.

    What is counted at a node (children, visits, value) is 0 since `plant`.

    Args:
        tree: the trees.
        twigs: of this round.
        keep: `[G, B] bool`; what is over the tree's capacity is dropped.
        verdict: `[G, B] int32`.
        count: `[G, B] int32`, duplicates each stands for.
        group: `[G, B] int32`, subtree of each.

    Returns:
        The trees, and `[G, B] int32` the node of each twig, -1 if not kept.
    """
    capacity = tree.parent.shape[1]
    nodes = tree.size[:, None] + jnp.cumsum(keep, 1, dtype=jnp.int32) - 1
    nodes = jnp.where(keep & (nodes < capacity), nodes, capacity)
    length = twigs.length
    chosen = length - twigs.forced
    live = twigs.kind != ANSWER
    whole = twigs.kind != OPEN
    parent = jnp.where(nodes < capacity, twigs.leaf, capacity)
    tree = tree.replace(
        size=jnp.minimum(tree.size + keep.sum(1), capacity),
        parent=put(tree.parent, nodes, twigs.leaf),
        depth=put(tree.depth, nodes, at(tree.depth, twigs.leaf) + 1),
        steps=put(tree.steps, nodes, at(tree.steps, twigs.leaf) + whole),
        end=put(tree.end, nodes, at(tree.end, twigs.leaf) + length),
        length=put(tree.length, nodes, length),
        kind=put(tree.kind, nodes, twigs.kind),
        live=put(tree.live, nodes, live),
        alive=put(tree.alive, nodes, live),
        first=jax.vmap(_first_children)(tree.first, parent, nodes),
        count=put(tree.count, nodes, count),
        group=put(tree.group, nodes, jnp.broadcast_to(group, nodes.shape)),
        prior=put(tree.prior, nodes, twigs.logp / jnp.maximum(chosen, 1)),
        score=put(tree.score, nodes, twigs.score),
        partial=put(tree.partial, nodes, twigs.partial),
        verdict=put(tree.verdict, nodes, verdict),
        reading=put(tree.reading, nodes, twigs.reading),
        key=put(tree.key, nodes, twigs.key),
        tokens=put(tree.tokens, nodes, twigs.tokens),
    )
    return tree, jnp.where(nodes < capacity, nodes, -1)


def _first_children(first: jax.Array, parent: jax.Array, nodes: jax.Array):
    """`first [N]`, set to the lowest of `nodes [B]` for each `parent [B]`."""
    size = first.shape[0]
    first = first.at[parent].set(size, mode="drop")
    return first.at[parent].min(nodes, mode="drop")


def children_of(
    tree: Tree, nodes: jax.Array, branches: int
) -> tuple[jax.Array, jax.Array]:
    """Children that are alive, where those of a node are of one round.

    Args:
        tree: the trees.
        nodes: `[G, W] int32`; -1 has none.
        branches: `B`: so many numbers from the first child on, at most, are
            those of its siblings.

    Returns:
        `[G, W, B] int32` nodes, and `[G, W, B] bool`, which are children.
    """
    number = at(tree.first, nodes)[..., None] + jnp.arange(branches)
    inside = jnp.minimum(number, tree.parent.shape[1] - 1)
    flat = inside.reshape(len(inside), -1)
    mine = at(tree.parent, flat).reshape(inside.shape) == nodes[..., None]
    mine &= at(tree.alive, flat).reshape(inside.shape) & (inside == number)
    return inside, mine & (nodes >= 0)[..., None]


def refresh(tree: Tree, nodes: jax.Array) -> Tree:
    """Brings `alive` up to date above `nodes`, whose `live` may have changed.

    Args:
        tree: the trees, in which the living children of a node are of one
            round.
        nodes: `[G, B] int32`, with all that were kept in a round if one of
            them was; -1 for none.
    """

    def step(carry):
        alive, nodes = carry
        trees = tree.replace(alive=alive)
        _, children = children_of(trees, nodes, branches)
        now = at(tree.live, nodes) | children.any(-1)
        settled = (now & at(alive, nodes)) | (nodes < 0)
        alive = put(alive, jnp.where(nodes < 0, size, nodes), now)
        return alive, jnp.where(settled, -1, at(tree.parent, nodes))

    size, branches = tree.parent.shape[1], nodes.shape[1]
    alive, _ = jax.lax.while_loop(
        lambda carry: (carry[1] >= 0).any(), step, (tree.alive, nodes)
    )
    return tree.replace(alive=alive)


def ancestors(tree: Tree, nodes: jax.Array) -> jax.Array:
    """`[G, W, N] bool`: the path from the root to each of `nodes [G, W]`.

    A node is on its own path; -1 has none.
    """
    index = jnp.arange(tree.parent.shape[1])

    def step(_, carry):
        current, path = carry
        path = path | (index == current[..., None])
        parent = jnp.where(current < 0, -1, at(tree.parent, current))
        return parent, path

    path = jnp.zeros((*nodes.shape, index.size), bool)
    longest = tree.depth.max() + 1
    return jax.lax.fori_loop(0, longest, step, (nodes, path))[1]


def has_live_descendant(tree: Tree) -> jax.Array:
    """`[G, N] bool`: the node, or one below it, may still be extended."""
    parent = jnp.where(tree.parent < 0, tree.parent.shape[1], tree.parent)

    def step(_, found):
        return jax.vmap(
            lambda found, parent: found.at[parent].max(found, mode="drop")
        )(found, parent)

    return jax.lax.fori_loop(0, tree.depth.max(), step, tree.live)


def first_of_equals(
    twigs: Twigs, group: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Finds branches that wrote the same step from the same leaf.

    Tokens are compared by 64 bits of polynomial hash. Branches of different
    `group [G, B]` are never equal.

    Returns:
        `first [G, B] bool`, no earlier branch wrote it (idle rows are not
        first); `count [G, B] int32`, how many wrote it.
    """

    def pairs(x):
        return x[:, :, None] == x[:, None, :]

    one, other = _digests(twigs.tokens, twigs.length)
    same = pairs(one) & pairs(other)
    same &= pairs(twigs.leaf) & pairs(twigs.length)
    same &= (twigs.leaf >= 0)[:, :, None]
    if group is not None:
        same &= pairs(jnp.broadcast_to(group, twigs.leaf.shape))
    branches = same.shape[1]
    earlier = same & jnp.tri(branches, k=-1, dtype=bool)
    first = ~earlier.any(-1) & (twigs.leaf >= 0)
    return first, same.sum(-1, dtype=jnp.int32)


def has_child(tree: Tree, twigs: Twigs) -> jax.Array:
    """`[G, B] bool`: a child of the branch's leaf is the step that it wrote.

    Compared as in `first_of_equals`.
    """
    size = tree.parent.shape[1]

    def compare() -> jax.Array:
        same = tree.parent[:, None] == twigs.leaf[:, :, None]
        same &= tree.length[:, None] == twigs.length[:, :, None]
        for new, old in zip(
            _digests(twigs.tokens, twigs.length),
            _digests(tree.tokens, tree.length),
            strict=True,
        ):
            same &= old[:, None] == new[:, :, None]
        return same.any(-1) & (twigs.leaf >= 0)

    # Seldom is a node extended again that has children.
    again = (twigs.leaf >= 0) & (at(tree.first, twigs.leaf) < size)
    return jax.lax.cond(
        again.any(), compare, lambda: jnp.zeros(twigs.leaf.shape, bool)
    )


def _digests(tokens: jax.Array, length: jax.Array) -> tuple[jax.Array, ...]:
    """Two hashes of 32 bits of the first `length` of `tokens [..., S]`."""
    size = tokens.shape[-1]
    written = jnp.arange(size) < length[..., None]
    tokens = jnp.where(written, tokens + 1, 0).astype(jnp.uint32)
    mixed = (tokens * jnp.uint32(2654435761)) ^ (tokens >> 7)

    def digest(base: int) -> jax.Array:
        powers = jnp.full(size, base, jnp.uint32)
        powers = jnp.cumprod(powers, dtype=jnp.uint32)
        return (mixed * powers).sum(-1, dtype=jnp.uint32)

    return digest(0x01000193), digest(0x85EBCA6B)
