"""The tree of kept steps of one problem, as arrays.

Node 0 is the prompt. Nodes are numbered in the order they are kept, so a
parent's number is always smaller than its children's. All functions are of one
problem; the loop maps them over `G` (`jax.vmap`).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from jaxlrm.limits import Limits

# Kinds of nodes, and of what a row has written so far.
FREE, STEP, OPEN, ANSWER, WRITING = 0, 1, 2, 3, 4

# Verdicts, as `jaxlrm.verify.verdict.Verdict` numbers them.
UNKNOWN, VALID, INVALID = 0, 1, 2


@struct.dataclass
class Tree:
    """Nodes `[N]`.

    Attributes:
        size: `int32`, nodes in use.
        rounds: `int32`, rounds so far.
        spent: `int32`, tokens that the generator wrote.
        limits: what the search may do and spend.
        dropped: `int32`, steps let go because the cache was full.
        peak: `int32`, most tokens of kept steps that the cache has held.
        parent: `[N] int32`, -1 for the root.
        depth: `[N] int32`, nodes since the prompt.
        steps: `[N] int32`, finished steps since the prompt: OPEN is none.
        end: `[N] int32`, position of the node's last token.
        length: `[N] int32`, tokens in the node (0 for the root: the cache
            has the prompt).
        kind: `[N] int32`, FREE, STEP, OPEN (cut by the token limit; its next
            step goes on) or ANSWER.
        live: `[N] bool`, may be selected for extension.
        alive: `[N] bool`, it or a node below it is live: kept by `refresh`,
            for searches that walk down the tree.
        first: `[N] int32`, the number of its first child in the last round
            that gave it any; `N` if it has none.
        children: `[N] int32`, rows that have extended the node so far.
        count: `[N] int32`, rows that wrote it.
        group: `[N] int32`, subtree of a search that keeps several apart.
        visits: `[N] int32`, simulations that went through it.
        value: `[N] float32`, the sum of what they found, see `backup`.
        prior: `[N] float32`, mean log-probability of its tokens, without a
            tool's.
        score: `[N] float32`, of the chain's finished steps up to the node, in
            (0, 1): see `aggregate`; lowered where the chain is in doubt.
        doubtful: `[N] bool`, a step of the chain up to the node is in doubt.
        partial: `[N] float32`, of an OPEN node, what the likelihood of its
            step so far adds to the logit of the step's score.
        verdict: `[N] int32`.
        reading: `[N] int32`, the decoder's state after its last token, see
            `decode.write.Tables`; the root's is the decoder's to know.
        key: `[N]` PRNG keys: a child's is folded from its parent's and its
            ordinal, so results do not depend on what else is in the batch.
        tokens: `[N, S] int32`.
        output: `[N, O] int32`, what a tool wrote after the step: its
            children begin with it.
        output_length: `[N] int32`.
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
    def answers(self) -> jax.Array:
        """`[N] bool`."""
        return self.kind == ANSWER

    @property
    def written(self) -> jax.Array:
        """`[N] int32`, tokens since the prompt."""
        return self.end - self.end[0]


@struct.dataclass
class Twigs:
    """What the rows are writing, `[R]`.

    A row that has no leaf is idle. One whose kind is WRITING goes on in the
    next round; any other has ended its step.

    Attributes:
        leaf: `[R] int32`, node each row extends; -1 for an idle row.
        key: `[R]` PRNG keys.
        tokens: `[R, S] int32`, left-aligned.
        length: `[R] int32`, how many of them, a tool's among them.
        forced: `[R] int32`, first tokens, which a tool wrote.
        kind: `[R] int32`, WRITING, STEP, OPEN or ANSWER.
        score: `[R] float32`, the learned verifier's, in (0, 1).
        partial: `[R] float32`, see `Tree`; 0 but for OPEN.
        logp: `[R] float32`, log-probability of the tokens.
        reading: `[R] int32`, see `Tree`.
        begun: `[R] int32`, steps of this problem that the row has begun.
    """

    leaf: jax.Array
    key: jax.Array
    tokens: jax.Array
    length: jax.Array
    forced: jax.Array
    kind: jax.Array
    score: jax.Array
    partial: jax.Array
    logp: jax.Array
    reading: jax.Array
    begun: jax.Array

    @property
    def valid(self) -> jax.Array:
        """`[R, S] bool`, which tokens are written."""
        return jnp.arange(self.tokens.shape[-1]) < self.length[..., None]

    @property
    def writing(self) -> jax.Array:
        """`[R] bool`, rows in the middle of a step."""
        return (self.leaf >= 0) & (self.kind == WRITING)

    @property
    def ended(self) -> jax.Array:
        """`[R] bool`, rows at the end of a step."""
        return (self.leaf >= 0) & (self.kind != WRITING)

    def begin(self, leaf: jax.Array, key: jax.Array) -> Twigs:
        """With a new step in the rows of `leaf [R]` that are not -1."""
        new = leaf >= 0

        def fresh(value, old):
            return jnp.where(new, value, old)

        return self.replace(
            leaf=fresh(leaf, self.leaf),
            key=fresh(key, self.key),
            length=fresh(0, self.length),
            forced=fresh(0, self.forced),
            kind=fresh(WRITING, self.kind),
            logp=fresh(0.0, self.logp),
            begun=self.begun + new,
        )


class Steps(NamedTuple):
    """What the rows of a problem wrote, judged; `[R]` each.

    Attributes:
        leaf: `int32`, the node that a row has extended; -1 for a row that has
            not ended a step in this round.
        kind: `int32`, STEP, OPEN or ANSWER.
        score: `float32`, the learned verifier's, of the chain.
        verdict: `int32`, the symbolic verifier's.
        first: `bool`, no earlier row wrote the same.
        sound: `bool`, likewise, and it is not INVALID.
        count: `int32`, rows that wrote the same.
        known: `bool`, it is a child of the leaf already.
    """

    leaf: jax.Array
    kind: jax.Array
    score: jax.Array
    verdict: jax.Array
    first: jax.Array
    sound: jax.Array
    count: jax.Array
    known: jax.Array

    @property
    def answers(self) -> jax.Array:
        """`[R] bool`, chains that have ended, whatever the verdict."""
        return (self.leaf >= 0) & (self.kind == ANSWER)

    @property
    def valid(self) -> jax.Array:
        """`[R] bool`."""
        return self.verdict == VALID


def empty(nodes: int, step_tokens: int, output_tokens: int = 0) -> Tree:
    """A tree without any node.

    Args:
        nodes: `N`.
        step_tokens: `S`.
        output_tokens: `O`.
    """
    nothing = jnp.zeros((), jnp.int32)
    integers = jnp.zeros(nodes, jnp.int32)
    floats = jnp.zeros(nodes, jnp.float32)
    return Tree(
        size=nothing,
        rounds=nothing,
        spent=nothing,
        limits=Limits().typed(),
        dropped=nothing,
        peak=nothing,
        parent=integers - 1,
        depth=integers,
        steps=integers,
        end=integers,
        length=integers,
        kind=integers,
        live=jnp.zeros(nodes, bool),
        alive=jnp.zeros(nodes, bool),
        first=integers + nodes,
        children=integers,
        count=integers,
        group=integers,
        visits=integers,
        value=floats,
        prior=floats,
        score=floats,
        doubtful=jnp.zeros(nodes, bool),
        partial=floats,
        verdict=integers,
        reading=integers,
        key=jax.random.split(jax.random.key(0), nodes),
        tokens=jnp.zeros((nodes, step_tokens), jnp.int32),
        output=jnp.zeros((nodes, output_tokens), jnp.int32),
        output_length=integers,
    )


def plant(
    tree: Tree, key: jax.Array, prompt_length: jax.Array, limits: Limits
) -> Tree:
    """A tree of the sizes of `tree` with a root alone.

    Args:
        tree: of any problem.
        key: PRNG key of the root.
        prompt_length: `int32`.
        limits: of the search.
    """
    fresh = empty(*tree.tokens.shape, tree.output.shape[-1])
    return fresh.replace(
        size=fresh.size + 1,
        limits=limits,
        end=fresh.end.at[0].set(prompt_length - 1),
        kind=fresh.kind.at[0].set(STEP),
        live=fresh.live.at[0].set(True),
        alive=fresh.alive.at[0].set(True),
        count=fresh.count.at[0].set(1),
        key=fresh.key.at[0].set(key),
    )


def at(values: jax.Array, nodes: jax.Array) -> jax.Array:
    """`values [N, ...]` of `nodes [R]`; -1 reads node 0."""
    return values[jnp.maximum(nodes, 0)]


def put(values: jax.Array, nodes: jax.Array, new) -> jax.Array:
    """`values [N, ...]` with `new [R, ...]` at `nodes [R]`; -1 is left out."""
    target = jnp.where(nodes < 0, values.shape[0], nodes)
    return values.at[target].set(new, mode="drop")


def mark(size: int, nodes: jax.Array, where: jax.Array) -> jax.Array:
    """`[N] bool`, true at those of `nodes [R]` `where [R]` that holds."""
    nothing = jnp.zeros(size, bool)
    return put(nothing, jnp.where(where, nodes, -1), True)


def add(
    tree: Tree,
    twigs: Twigs,
    keep: jax.Array,
    verdict: jax.Array,
    count: jax.Array,
    group: jax.Array,
) -> tuple[Tree, jax.Array]:
    """Adds the twigs in `keep` as nodes, in the order of their rows.

    What is counted at a node (children, visits, value) is 0 since `plant`.

    Args:
        tree: the tree.
        twigs: of this round.
        keep: `[R] bool`; what is over the tree's capacity is dropped.
        verdict: `[R] int32`.
        count: `[R] int32`, duplicates each stands for.
        group: `[R] int32`, subtree of each.

    Returns:
        The tree, and `[R] int32` the node of each twig, -1 if not kept.
    """
    capacity = tree.parent.shape[0]
    nodes = tree.size + jnp.cumsum(keep, dtype=jnp.int32) - 1
    nodes = jnp.where(keep & (nodes < capacity), nodes, -1)
    leaf = twigs.leaf
    parent = jnp.where(nodes < 0, capacity, leaf)
    first = tree.first.at[parent].set(capacity, mode="drop")
    first = first.at[parent].min(nodes, mode="drop")
    live = twigs.kind != ANSWER
    new = {
        "parent": leaf,
        "depth": at(tree.depth, leaf) + 1,
        "steps": at(tree.steps, leaf) + (twigs.kind != OPEN),
        "end": at(tree.end, leaf) + twigs.length,
        "length": twigs.length,
        "kind": twigs.kind,
        "live": live,
        "alive": live,
        "count": count,
        "group": group,
        "prior": twigs.logp / jnp.maximum(twigs.length - twigs.forced, 1),
        "score": twigs.score,
        "partial": twigs.partial,
        "verdict": verdict,
        "reading": twigs.reading,
        "key": twigs.key,
        "tokens": twigs.tokens,
    }
    tree = tree.replace(
        size=jnp.minimum(tree.size + keep.sum(), capacity),
        first=first,
        **{
            name: put(getattr(tree, name), nodes, value)
            for name, value in new.items()
        },
    )
    return tree, nodes


def children_of(
    tree: Tree, node: jax.Array, rows: int
) -> tuple[jax.Array, jax.Array]:
    """Children that are alive, where those of a node are of one round.

    Args:
        tree: the tree.
        node: `int32`; -1 has none.
        rows: `R`: so many numbers from the first child on, at most, are those
            of its siblings.

    Returns:
        `[R] int32` nodes, and `[R] bool`, which are children.
    """
    number = at(tree.first, node) + jnp.arange(rows)
    inside = jnp.minimum(number, tree.parent.shape[0] - 1)
    mine = (tree.parent[inside] == node) & tree.alive[inside]
    return inside, mine & (inside == number) & (node >= 0)


def refresh(tree: Tree, nodes: jax.Array) -> Tree:
    """Brings `alive` up to date above `nodes`, whose `live` may have changed.

    Args:
        tree: the tree, in which the living children of a node are of one
            round.
        nodes: `[R] int32`, with all that were kept in a round if one of them
            was; -1 for none.
    """
    rows = nodes.shape[0]

    def step(carry):
        alive, nodes = carry
        now = tree.replace(alive=alive)
        _, children = jax.vmap(lambda node: children_of(now, node, rows))(nodes)
        found = at(tree.live, nodes) | children.any(-1)
        settled = (found & at(alive, nodes)) | (nodes < 0)
        alive = put(alive, nodes, found)
        return alive, jnp.where(settled, -1, at(tree.parent, nodes))

    alive, _ = jax.lax.while_loop(
        lambda carry: (carry[1] >= 0).any(), step, (tree.alive, nodes)
    )
    return tree.replace(alive=alive)


def ancestors(tree: Tree, nodes: jax.Array) -> jax.Array:
    """`[R, N] bool`: the path from the root to each of `nodes [R]`.

    A node is on its own path; -1 has none.
    """
    index = jnp.arange(tree.parent.shape[0])

    def step(_, carry):
        current, path = carry
        path = path | (index == current[:, None])
        parent = jnp.where(current < 0, -1, at(tree.parent, current))
        return parent, path

    path = jnp.zeros((*nodes.shape, index.size), bool)
    longest = tree.depth.max() + 1
    return jax.lax.fori_loop(0, longest, step, (nodes, path))[1]


def has_live_descendant(tree: Tree) -> jax.Array:
    """`[N] bool`: the node, or one below it, may still be extended."""
    parent = jnp.where(tree.parent < 0, tree.parent.shape[0], tree.parent)

    def step(_, found):
        return found.at[parent].max(found, mode="drop")

    return jax.lax.fori_loop(0, tree.depth.max(), step, tree.live)


def first_of_equals(
    twigs: Twigs, ended: jax.Array, group: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Finds rows that wrote the same step from the same leaf.

    Tokens are compared by 64 bits of polynomial hash. Rows of different
    `group [R]` are never equal.

    Returns:
        `first [R] bool`, no earlier row wrote it (rows that have not `ended
        [R]` are not first); `count [R] int32`, how many wrote it.
    """
    one, other = _digests(twigs.tokens, twigs.length)
    same = pairs(one) & pairs(other)
    same &= pairs(twigs.leaf) & pairs(twigs.length) & pairs(group)
    same &= ended[:, None] & ended[None, :]
    first = ~(same & earlier(same.shape[0])).any(-1) & ended
    return first, same.sum(-1, dtype=jnp.int32)


def pairs(x: jax.Array) -> jax.Array:
    """`[R, R] bool`: which of `x [R]` are equal."""
    return x[:, None] == x[None, :]


def earlier(rows: int) -> jax.Array:
    """`[R, R] bool`: the second row comes before the first."""
    return jnp.tri(rows, k=-1, dtype=bool)


def has_child(tree: Tree, twigs: Twigs) -> jax.Array:
    """`[R] bool`: a child of the row's leaf is the step that it wrote.

    Compared as in `first_of_equals`.
    """
    same = tree.parent[None] == twigs.leaf[:, None]
    same &= tree.length[None] == twigs.length[:, None]
    for new, old in zip(
        _digests(twigs.tokens, twigs.length),
        _digests(tree.tokens, tree.length),
        strict=True,
    ):
        same &= old[None] == new[:, None]
    return same.any(-1) & (twigs.leaf >= 0)


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
