"""Contracts: what the loop, a strategy, the models and the host agree on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jaxlrm.limits import Limits
from jaxlrm.search.tree import Steps, Tree, Twigs

Cache = Any
Weights = Any


class Strategy(NamedTuple):
    """What makes a search this search and not another: functions of one tree.

    `branches` is `B`, the chains. A round writes in as many rows `R`, or in
    fewer where chains are whole. What a problem may spend is data
    (`tree.limits`), so that one strategy, compiled once, serves for others.
    """

    # (tree, steps) -> [R] bool, which steps become nodes.
    keep: Callable[[Tree, Steps], jax.Array]
    # (tree, idle) -> [R] int32, the node that each idle row is to extend, or
    # -1; those first that are to go on where tokens run short. When it has
    # none for any row, the search ends.
    select: Callable[[Tree, jax.Array], jax.Array]

    branches: int  # B
    groups: int  # W, leaves that a round may extend
    step_tokens: int  # S, most tokens of a step, with a tool's before it
    output_tokens: int  # O, most of them that are a tool's
    nodes: int  # N, most nodes of a tree
    limits: Limits  # of a problem that has none of its own

    # (tree, steps, keep) -> [N] bool, which nodes of before may still be
    # extended; by default none.
    stay: Callable[[Tree, Steps, jax.Array], jax.Array] = (
        lambda tree, steps, keep: jnp.zeros_like(tree.live)
    )
    # (tree, steps, node of each [R]) -> tree, what else is noted once the kept
    # steps are in the tree.
    learn: Callable[[Tree, Steps, jax.Array], Tree] = (
        lambda tree, steps, nodes: tree
    )
    # tree -> bool, enough answers were found.
    enough: Callable[[Tree], jax.Array] = lambda tree: jnp.zeros((), bool)

    vote: str = "sum"  # what a chain weighs in it: see `SearchConfig.vote`
    votes: int = 0  # most chains that can end, if all are kept; 0: not known
    aggregate: str = "last"  # of `problem.AGGREGATES`
    checked: bool = True  # an answer can be proven, which ends the search
    # [R], the subtree of each row: steps of different ones are never merged.
    group: tuple[int, ...] | None = None
    # A row that has ended its step waits for the others of its problem before
    # it is judged and goes on.
    waits: bool = True
    # Rows write whole chains: only the end of an answer ends a step.
    whole: bool = False
    # Every node may be extended until the search ends, so a cache that cannot
    # grow has to hold them all.
    keeps_all: bool = False


class Model(NamedTuple):
    """What the loop needs of the models, as pure functions of `G` problems."""

    # (nodes) -> cache, before any prompt.
    allocate: Callable[[int], Cache]
    # (weights, prompts) -> prefilled; prompts have a field `length [G] int32`.
    prefill: Callable[[Weights, Any], Any]
    # (cache, prefilled, prompts, mask) -> cache, gives the problems of
    # `mask [G] bool` their new prompts.
    start: Callable[[Cache, Any, Any, jax.Array], Cache]
    # (cache, tree, twigs) -> (cache, tree), stores the steps that became nodes,
    # and frees those that no row extends and without a live descendant; a node
    # that it has no room for is no longer live.
    commit: Callable[[Cache, Tree, Twigs], tuple[Cache, Tree]]
    # (weights, cache, tree, twigs, seen) -> (cache, twigs, time), writes up to
    # a chunk of tokens in each row that is in a step; time is the most that a
    # row wrote.
    write: Callable[..., tuple[Cache, Twigs, jax.Array]]
    # (weights, cache, tree, twigs, which) -> (cache, logit, partial), scores
    # the steps of the rows `which [G, R] bool`; `[G, R]` each.
    score: Callable[..., tuple[Cache, jax.Array, jax.Array]]

    rows: int  # R
    reads: bool = False  # `score` goes through the layers of a model
    # How many tokens of its step, written in earlier rounds, a row may look
    # back to: `write` is compiled for each of these numbers that is needed.
    # They rise, and the last is enough for any step.
    seen: tuple[int, ...] = (0,)


@struct.dataclass
class State:
    """The search between two rounds."""

    tree: Tree  # kept steps, [G, ...]
    twigs: Twigs  # what the rows are writing, [G, R, ...]
    cache: Cache  # the models' memory


class Round(NamedTuple):
    """What the host sees of a round, as numpy arrays."""

    problems: np.ndarray  # [G] number of the problem in each slot, -1 if empty
    # [G, R] of this round, without keys; WRITING if not to be judged yet.
    twigs: Twigs
    finished: np.ndarray  # [G] bool, nothing is left to extend
    spent: np.ndarray  # [G], as in `Tree`, and so are the next three
    time: np.ndarray
    dropped: np.ndarray
    peak: np.ndarray
    first: int = 0  # number of the first slot, where slots are asked in parts


class Reply(NamedTuple):
    """What the host answers to a round, as numpy arrays."""

    verdict: np.ndarray  # [G, R] int32, of the steps to be judged
    doubt: np.ndarray  # [G, R] bool, a step is doubted without being refuted
    # [G, R] int32, tokens of a twig that are kept as a step; -1 keeps it whole.
    length: np.ndarray
    stop: np.ndarray  # [G] bool, the problem's search is to end
    output: np.ndarray  # [G, R, O] int32, what a tool wrote after each step
    output_length: np.ndarray  # [G, R] int32


Ask = Callable[[Round], Reply]


def no_reply(problems: int, rows: int, output_tokens: int = 0) -> Reply:
    """A reply that says nothing, for `G` problems."""
    shape = (problems, rows)
    return Reply(
        verdict=np.zeros(shape, np.int32),
        doubt=np.zeros(shape, bool),
        length=np.full(shape, -1, np.int32),
        stop=np.zeros(problems, bool),
        output=np.zeros((*shape, output_tokens), np.int32),
        output_length=np.zeros(shape, np.int32),
    )
