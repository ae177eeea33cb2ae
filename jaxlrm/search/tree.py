"""The tree of kept steps of one problem, as arrays.

Node 0 is the prompt. Nodes are numbered in the order they are kept, so a
parent's number is always smaller than its children's. All functions are of one
problem; the loop maps them over `G` (`jax.vmap`).
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from jaxlrm.limits import Limits

# Kinds of nodes, and of what a row has written so far. OPEN was cut by the
# limit of tokens; its next step goes on with it.
FREE, STEP, OPEN, ANSWER, WRITING = 0, 1, 2, 3, 4

# Verdicts, as `jaxlrm.verify.verdict.Verdict` numbers them.
UNKNOWN, VALID, INVALID = 0, 1, 2


@struct.dataclass
class Tree:
    """The search of one problem: what it has spent, and its nodes `[N]`."""

    size: jax.Array  # int32, nodes in use
    rounds: jax.Array  # int32, rounds that began a step
    spent: jax.Array  # int32, tokens that the generator wrote
    time: jax.Array  # int32, tokens each row had time for in the last round
    dropped: jax.Array  # int32, steps let go because the cache was full
    peak: jax.Array  # int32, most tokens of kept steps that the cache held
    limits: Limits  # what the search may do and spend

    # Where a node is.
    parent: jax.Array  # [N] int32, -1 for the root
    depth: jax.Array  # [N] int32, nodes since the prompt
    steps: jax.Array  # [N] int32, finished steps since the prompt, no OPEN
    end: jax.Array  # [N] int32, position of its last token
    group: jax.Array  # [N] int32, subtree, where several are kept apart

    # What it says.
    kind: jax.Array  # [N] int32: FREE, STEP, OPEN or ANSWER
    tokens: jax.Array  # [N, S] int32
    length: jax.Array  # [N] int32, how many; 0 for the root
    output: jax.Array  # [N, O] int32, a tool's, which its children begin with
    output_length: jax.Array  # [N] int32
    reading: jax.Array  # [N] int32, state of the decoder: `decode.write.Tables`

    # What it is worth.
    count: jax.Array  # [N] int32, rows that wrote it
    prior: jax.Array  # [N] float32, mean log-probability of what was written
    # [N] float32 in (0, 1), of the finished steps of its chain, by
    # `problem.AGGREGATES`; lowered where the chain is in doubt.
    score: jax.Array
    # [N] float32, of an OPEN node, what the likelihood of its step so far adds
    # to the logit of the step's score.
    partial: jax.Array
    verdict: jax.Array  # [N] int32
    doubtful: jax.Array  # [N] bool, a step of its chain is in doubt

    # What was made of it.
    live: jax.Array  # [N] bool, it may be extended
    children: jax.Array  # [N] int32, rows that have extended it so far
    visits: jax.Array  # [N] int32, simulations that went through it
    value: jax.Array  # [N] float32, the sum of what they found
    # [N] PRNG keys: a child's is folded from its parent's and its ordinal, so
    # nothing depends on what else is in the batch.
    key: jax.Array

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
    """

    leaf: jax.Array  # [R] int32, node each row extends; -1 for an idle row
    node: jax.Array  # [R] int32, of the step judged last, -1 if it was dropped
    key: jax.Array  # [R] PRNG keys
    tokens: jax.Array  # [R, S] int32, left-aligned
    length: jax.Array  # [R] int32, how many of them, a tool's among them
    forced: jax.Array  # [R] int32, first tokens, which a tool wrote
    kind: jax.Array  # [R] int32: WRITING, STEP, OPEN or ANSWER
    score: jax.Array  # [R] float32, as in `Tree`
    partial: jax.Array  # [R] float32, as in `Tree`; 0 but for OPEN
    logp: jax.Array  # [R] float32, log-probability of the tokens
    reading: jax.Array  # [R] int32, as in `Tree`
    begun: jax.Array  # [R] int32, steps of this problem the row has begun
    ordinal: jax.Array  # [R] int32, its number among the leaf's children

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

    def begin(
        self, leaf: jax.Array, key: jax.Array, ordinal: jax.Array
    ) -> Twigs:
        """With a new step in the rows of `leaf [R]` that are not -1."""
        new = leaf >= 0
        fresh = {"leaf": leaf, "key": key, "ordinal": ordinal, "kind": WRITING}
        fresh |= {"length": 0, "forced": 0, "logp": 0.0}
        fresh = {
            name: jnp.where(new, value, getattr(self, name))
            for name, value in fresh.items()
        }
        return self.replace(begun=self.begun + new, **fresh)


class Steps(NamedTuple):
    """What the rows of a problem wrote, judged; `[R]` each."""

    # int32, node that a row has extended; -1 if it has not ended a step now
    leaf: jax.Array
    kind: jax.Array  # int32: STEP, OPEN or ANSWER
    score: jax.Array  # float32, the learned verifier's, of the chain
    verdict: jax.Array  # int32, the symbolic verifier's
    group: jax.Array  # int32, subtree
    count: jax.Array  # int32, rows that wrote the same
    first: jax.Array  # bool, no earlier row wrote the same
    sound: jax.Array  # bool, likewise, and it is not INVALID
    known: jax.Array  # bool, it is a child of the leaf already

    @property
    def answers(self) -> jax.Array:
        """`[R] bool`, chains that have ended, whatever the verdict."""
        return (self.leaf >= 0) & (self.kind == ANSWER)

    @property
    def valid(self) -> jax.Array:
        """`[R] bool`."""
        return self.verdict == VALID


def empty(nodes: int, step_tokens: int, output_tokens: int = 0) -> Tree:
    """A tree of `N` places without any node; `S` and `O` are its tokens'."""
    counters = ("size", "rounds", "spent", "time", "dropped", "peak")
    return _zeros(
        Tree,
        nodes,
        ("prior", "score", "partial", "value"),
        **dict.fromkeys(counters, jnp.zeros((), jnp.int32)),
        limits=Limits().typed(),
        parent=jnp.full(nodes, -1, jnp.int32),
        live=jnp.zeros(nodes, bool),
        doubtful=jnp.zeros(nodes, bool),
        key=jax.random.split(jax.random.key(0), nodes),
        tokens=jnp.zeros((nodes, step_tokens), jnp.int32),
        output=jnp.zeros((nodes, output_tokens), jnp.int32),
    )


def plant(
    tree: Tree, key: jax.Array, prompt_length: jax.Array, limits: Limits
) -> Tree:
    """A tree of the sizes of `tree` with a root alone, of this PRNG key."""
    fresh = empty(*tree.tokens.shape, tree.output.shape[-1])
    root = {"end": prompt_length - 1, "kind": STEP, "live": True, "count": 1}
    root = {
        name: getattr(fresh, name).at[0].set(value)
        for name, value in {**root, "key": key}.items()
    }
    return fresh.replace(size=fresh.size + 1, limits=limits, **root)


def idle(rows: int, step_tokens: int) -> Twigs:
    """Rows that extend nothing."""
    return _zeros(
        Twigs,
        rows,
        ("score", "partial", "logp"),
        leaf=jnp.full(rows, -1, jnp.int32),
        node=jnp.full(rows, -1, jnp.int32),
        kind=jnp.full(rows, WRITING, jnp.int32),
        key=jax.random.split(jax.random.key(0), rows),
        tokens=jnp.zeros((rows, step_tokens), jnp.int32),
    )


def _zeros(record: type, number: int, floats: tuple[str, ...], /, **others):
    """A record of zeros `[number]`, `int32` but for `floats` and `others`."""
    names = [field.name for field in dataclasses.fields(record)]
    values = dict.fromkeys(names, jnp.zeros(number, jnp.int32))
    values |= dict.fromkeys(floats, jnp.zeros(number, jnp.float32))
    return record(**{**values, **others})


def at(values: jax.Array, nodes: jax.Array) -> jax.Array:
    """`values [N, ...]` of `nodes [R]`; -1 reads node 0."""
    return values[jnp.maximum(nodes, 0)]


def put(values: jax.Array, nodes: jax.Array, new) -> jax.Array:
    """`values [N, ...]` with `new [R, ...]` at `nodes [R]`; -1 is left out."""
    target = jnp.where(nodes < 0, values.shape[0], nodes)
    return values.at[target].set(new, mode="drop")


def mark(tree: Tree, nodes: jax.Array) -> jax.Array:
    """`[N] bool`, true at `nodes [R]`; -1 is left out."""
    return put(jnp.zeros_like(tree.live), nodes, True)


def add(
    tree: Tree, twigs: Twigs, keep: jax.Array, **judged: jax.Array
) -> tuple[Tree, jax.Array]:
    """Adds the twigs in `keep` as nodes, in the order of their rows.

    Args:
        tree: the tree.
        twigs: of this round.
        keep: `[R] bool`; what is over the tree's capacity is dropped.
        **judged: `[R, ...]` fields of the nodes that twigs do not have.

    Returns:
        The tree, and `[R] int32` the node of each twig, -1 if not kept.
    """
    capacity = tree.parent.shape[0]
    nodes = tree.size + jnp.cumsum(keep, dtype=jnp.int32) - 1
    nodes = jnp.where(keep & (nodes < capacity), nodes, -1)
    new = {
        "parent": twigs.leaf,
        "depth": at(tree.depth, twigs.leaf) + 1,
        "steps": at(tree.steps, twigs.leaf) + (twigs.kind != OPEN),
        "end": at(tree.end, twigs.leaf) + twigs.length,
        "live": twigs.kind != ANSWER,
        "prior": twigs.logp / jnp.maximum(twigs.length - twigs.forced, 1),
        **judged,
    }
    same = ("kind", "tokens", "length", "score", "partial", "reading", "key")
    new |= {name: getattr(twigs, name) for name in same}
    new = {name: put(getattr(tree, name), nodes, new[name]) for name in new}
    size = jnp.minimum(tree.size + keep.sum(), capacity)
    return tree.replace(size=size, **new), nodes


def backup(tree: Tree, nodes: jax.Array, value: jax.Array) -> Tree:
    """Carries what simulations found up the tree: a node is worth their mean.

    At all nodes of the path of each of `nodes [W] int32`, where simulations
    ended (-1 for none), a visit is counted and its `value [W]` added. All paths
    are gone up at once; of several that meet in a node each writes what all of
    them bring.
    """

    def step(carry):
        visits, total, nodes = carry
        same = pairs(nodes)
        now = at(visits, nodes) + same.sum(-1)
        found = at(total, nodes) + jnp.where(same, value, 0.0).sum(-1)
        visits, total = put(visits, nodes, now), put(total, nodes, found)
        return visits, total, jnp.where(nodes < 0, -1, at(tree.parent, nodes))

    visits, total, _ = jax.lax.while_loop(
        lambda carry: (carry[-1] >= 0).any(),
        step,
        (tree.visits, tree.value, nodes),
    )
    return tree.replace(visits=visits, value=total)


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


def compare(
    tree: Tree, twigs: Twigs, judged: jax.Array, group: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Finds rows that wrote the same step after the same leaf.

    Tokens are compared by 64 bits of polynomial hash. Rows of different
    `group [R]` are never equal, nor are those that are not `judged [R]`.

    Returns:
        `[R]` each: whether no earlier row wrote the same; how many rows did;
        whether a child of the leaf is the same.
    """
    rows = _identity(twigs.leaf, twigs.length, twigs.tokens)
    nodes = _identity(tree.parent, tree.length, tree.tokens)
    same = (rows[:, :, None] == rows[:, None]).all(0) & pairs(group)
    same &= judged[:, None] & judged
    first = judged & ~(same & earlier(len(judged))).any(-1)
    known = judged & (rows[:, :, None] == nodes[:, None]).all(0).any(-1)
    return first, same.sum(-1, dtype=jnp.int32), known


def pairs(x: jax.Array) -> jax.Array:
    """`[R, R] bool`: which of `x [R]` are equal."""
    return x[:, None] == x


def earlier(rows: int) -> jax.Array:
    """`[R, R] bool`: the second row comes before the first."""
    return jnp.tri(rows, k=-1, dtype=bool)


def _identity(
    leaf: jax.Array, length: jax.Array, tokens: jax.Array
) -> jax.Array:
    """`[4, R]`: the leaf, length and hashes of the steps `tokens [R, S]`."""
    written = jnp.arange(tokens.shape[-1]) < length[:, None]
    tokens = jnp.where(written, tokens + 1, 0).astype(jnp.uint32)
    mixed = (tokens * jnp.uint32(2654435761)) ^ (tokens >> 7)

    def digest(base: int) -> jax.Array:
        powers = jnp.full(tokens.shape[-1], base, jnp.uint32)
        powers = jnp.cumprod(powers, dtype=jnp.uint32)
        return (mixed * powers).sum(-1, dtype=jnp.uint32)

    where = leaf.astype(jnp.uint32), length.astype(jnp.uint32)
    return jnp.stack([*where, digest(0x01000193), digest(0x85EBCA6B)])
