"""What the loop, the models and the host hand to each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import struct

from jaxlrm.search.tree import Tree, Twigs

Cache = Any
Weights = Any


class Model(NamedTuple):
    """What the loop needs of the models, as pure functions of `G` problems.

    Attributes:
        allocate: `(nodes) -> cache`, before any prompt.
        prefill: `(weights, prompts) -> prefilled` runs the models over
            prompts, which have a field `length [G] int32`.
        start: `(cache, prefilled, prompts, mask) -> cache` gives the problems
            of `mask [G] bool` their new prompts.
        commit: `(cache, tree, twigs, nodes) -> (cache, tree)` stores the
            steps whose node is not -1, and frees those that no row extends and
            without a live descendant; a node that it has no room for is no
            longer live.
        write: `(weights, cache, tree, twigs, seen) -> (cache, twigs, steps)`
            writes up to a chunk of tokens in each row that is in a step, in so
            many steps: the most that a row wrote.
        score: `(weights, cache, tree, twigs, which) -> (cache, logit, partial)`
            scores the steps of the rows `which [G, R] bool`; `[G, R]` each.
        rows: `R`.
        reads: whether `score` goes through the layers of a model.
        seen: how many tokens of its step, written in earlier rounds, a row may
            look back to: `write` is compiled for each of these numbers that is
            needed. They rise, and the last is enough for any step.
    """

    allocate: Callable[[int], Cache]
    prefill: Callable[[Weights, Any], Any]
    start: Callable[[Cache, Any, Any, jax.Array], Cache]
    commit: Callable[[Cache, Tree, Twigs, jax.Array], tuple[Cache, Tree]]
    write: Callable[..., tuple[Cache, Twigs, jax.Array]]
    score: Callable[..., tuple[Cache, jax.Array, jax.Array]]
    rows: int
    reads: bool = False
    seen: tuple[int, ...] = (0,)


@struct.dataclass
class State:
    """The search between two rounds.

    Attributes:
        tree: kept steps, `[G, ...]`.
        twigs: what the rows are writing, `[G, R, ...]`.
        nodes: `[G, R] int32`, node of each step that was judged last, -1 if it
            was not kept.
        steps: `[G] int32`, tokens that each row had time for in the last round.
        cache: the models' memory.
    """

    tree: Tree
    twigs: Twigs
    nodes: jax.Array
    steps: jax.Array
    cache: Cache


class Round(NamedTuple):
    """What the host sees of a round.

    Attributes:
        problems: `[G]` number of the problem in each slot, -1 if empty.
        nodes: `[G, R]` node that each step judged last became, or -1.
        twigs: of this round, as numpy arrays, without keys. The kind is
            WRITING for rows that are not to be judged yet.
        finished: `[G] bool`, nothing is left to extend.
        spent: `[G]`, tokens that the generator wrote so far.
        steps: `[G]`, tokens that each row had time for in this round.
        dropped: `[G]`, steps let go so far because the cache was full.
        peak: `[G]`, most tokens of kept steps that the cache has held so far.
        first: number of the first slot, where slots are asked about in parts.
    """

    problems: np.ndarray
    nodes: np.ndarray
    twigs: Twigs
    finished: np.ndarray
    spent: np.ndarray
    steps: np.ndarray
    dropped: np.ndarray
    peak: np.ndarray
    first: int = 0


class Reply(NamedTuple):
    """What the host answers to a round.

    Attributes:
        verdict: `[G, R] int32` of the steps to be judged.
        doubt: `[G, R] bool`, a symbolic verifier doubts the step, without
            refuting it.
        length: `[G, R] int32`, tokens of the twig that are kept as a step; -1
            keeps it as it is.
        stop: `[G] bool`, the problem's search is to end.
        output: `[G, R, O] int32`, what a tool wrote after each step.
        output_length: `[G, R] int32`.
    """

    verdict: np.ndarray
    doubt: np.ndarray
    length: np.ndarray
    stop: np.ndarray
    output: np.ndarray
    output_length: np.ndarray


Ask = Callable[[Round], Reply]


def no_reply(problems: int, rows: int, output_tokens: int = 0) -> Reply:
    """A reply that says nothing, for `G` problems, as numpy arrays."""
    shape = (problems, rows)
    return Reply(
        verdict=np.zeros(shape, np.int32),
        doubt=np.zeros(shape, bool),
        length=np.full(shape, -1, np.int32),
        stop=np.zeros(problems, bool),
        output=np.zeros((*shape, output_tokens), np.int32),
        output_length=np.zeros(shape, np.int32),
    )
