"""THE loop: select, generate, judge, keep; for `G` problems in lockstep.

It sees arrays and callables only. A round is one jitted program,

    tree, nodes = strategy.update(tree, twigs, verdict)   # of the last round
    cache       = model.commit(cache, tree, twigs, nodes)
    leaf        = strategy.select(tree)
    cache, twigs = model.extend(cache, tree, leaf, keys)

and the host verifies between rounds. A problem whose tree has no live node is
finished; its slot takes the next problem of the queue.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jaxlrm.search import tree as tree_lib
from jaxlrm.search.strategies import Strategy
from jaxlrm.search.tree import Tree, Twigs

Cache = Any
Weights = Any


class Model(NamedTuple):
    """What the loop needs of the models, as pure functions.

    Attributes:
        allocate: `(nodes) -> cache` for `G` problems, before any prompt.
        prefill: `(weights, cache, prompts, mask) -> cache` reads new prompts
            into the problems of `mask [G] bool`; `prompts` has a field
            `length [G] int32`.
        extend: `(weights, cache, tree, leaf, keys) -> (cache, twigs)` writes
            one step a branch and scores it.
        commit: `(cache, tree, twigs, nodes) -> cache` stores the steps whose
            node is not -1, and frees those that no live node stands on.
    """

    allocate: Callable[[int], Cache]
    prefill: Callable[[Weights, Cache, Any, jax.Array], Cache]
    extend: Callable[..., tuple[Cache, Twigs]]
    commit: Callable[[Cache, Tree, Twigs, jax.Array], Cache]


@struct.dataclass
class State:
    """The search between two rounds.

    Attributes:
        tree: kept steps.
        twigs: steps of the last round, not yet judged.
        nodes: `[G, B] int32`, node of each twig of the round before, -1 if
            it was not kept.
        cache: the models' memory.
    """

    tree: Tree
    twigs: Twigs
    nodes: jax.Array
    cache: Cache


class Round(NamedTuple):
    """What the host sees of a round.

    Attributes:
        problems: `[G]` number of the problem in each slot, -1 if empty.
        nodes: `[G, B]` node that each twig of the last round became, or -1.
        twigs: of this round, as numpy arrays, without keys.
        finished: `[G] bool`, nothing is left to extend.
    """

    problems: np.ndarray
    nodes: np.ndarray
    twigs: Twigs
    finished: np.ndarray


# round -> verdict [G, B] int of its twigs
Verify = Callable[[Round], np.ndarray]


def initial(model: Model, strategy: Strategy, problems: int) -> State:
    """The state with every slot empty."""
    shape = (problems, strategy.branches)
    steps = (*shape, strategy.step_tokens)
    twigs = Twigs(
        leaf=jnp.full(shape, -1, jnp.int32),
        key=jax.random.split(jax.random.key(0), shape),
        tokens=jnp.zeros(steps, jnp.int32),
        valid=jnp.zeros(steps, bool),
        kind=jnp.zeros(shape, jnp.int32),
        score=jnp.zeros(shape, jnp.float32),
        logp=jnp.zeros(shape, jnp.float32),
        ahead=jnp.zeros(shape, jnp.int32),
    )
    tree = tree_lib.empty(problems, strategy.nodes, strategy.step_tokens)
    return State(tree, twigs, twigs.leaf, model.allocate(strategy.nodes))


def refill(
    model: Model,
    weights: Weights,
    state: State,
    prompts: Any,
    keys: jax.Array,
    mask: jax.Array,
) -> State:
    """Puts new problems into the slots of `mask [G] bool`."""
    tree = tree_lib.plant(state.tree, mask, keys, prompts.length)
    twigs = state.twigs.replace(
        leaf=jnp.where(mask[:, None], -1, state.twigs.leaf)
    )
    nodes = jnp.where(mask[:, None], -1, state.nodes)
    cache = model.prefill(weights, state.cache, prompts, mask)
    return State(tree, twigs, nodes, cache)


def advance(
    model: Model,
    strategy: Strategy,
    weights: Weights,
    state: State,
    verdict: jax.Array,
) -> State:
    """One round: keeps the best of the last, writes the next."""
    tree, nodes = strategy.update(state.tree, state.twigs, verdict)
    cache = model.commit(state.cache, tree, state.twigs, nodes)
    leaf, ordinal = strategy.select(tree)
    target = jnp.where(leaf < 0, tree.children.shape[1], leaf)
    tree = tree.replace(
        children=jax.vmap(lambda n, leaf: n.at[leaf].add(1, mode="drop"))(
            tree.children, target
        )
    )
    fold = jax.vmap(jax.vmap(jax.random.fold_in))
    keys = fold(tree_lib.at(tree.key, leaf), ordinal)
    cache, twigs = model.extend(weights, cache, tree, leaf, keys)
    spent = tree.spent + (twigs.length + twigs.ahead).sum(1)
    tree = tree.replace(spent=spent)
    return State(tree, twigs, nodes, cache)


def compile_rounds(model: Model, strategy: Strategy, shardings=None):
    """The two jitted programs `(advance, refill)` of a search.

    Args:
        model: the models.
        strategy: the search.
        shardings: of the state, so that it stays where it is.
    """
    # What is overwritten without being read is donated too, if it is kept.
    settings = {
        "donate_argnums": 1,
        "out_shardings": shardings,
        "keep_unused": True,
    }
    step = jax.jit(functools.partial(advance, model, strategy), **settings)
    load = jax.jit(functools.partial(refill, model), **settings)
    return step, load


def run(
    programs,
    weights: Weights,
    state: State,
    queue: Sequence[tuple[Any, jax.Array]],
    stack: Callable[[list[Any]], Any],
    verify: Verify,
    make_room: Callable[[State], State] = lambda state: state,
) -> Iterator[tuple[Round, State]]:
    """Runs the loop until the queue is empty and every problem is finished.

    Args:
        programs: of `compile_rounds`.
        weights: what the models are given in every call.
        state: of `initial`; its `G` slots are filled from the queue.
        queue: a prompt and a root key for each problem.
        stack: `G` prompts to what `model.prefill` takes.
        verify: the symbolic verifiers, on the host.
        make_room: grows a cache that the next round could fill.

    Yields:
        After every round what happened in it, with the state.
    """
    step, load = programs
    slots, branches = state.twigs.leaf.shape
    problems = np.full(slots, -1)
    finished = np.ones(slots, bool)
    verdict = np.zeros((slots, branches), np.int32)
    coming = 0
    try:
        while True:
            problems[finished] = -1
            fresh = np.flatnonzero(finished)[: len(queue) - coming]
            if fresh.size:
                problems[fresh] = coming + np.arange(fresh.size)
                coming += fresh.size
                mask = np.isin(np.arange(slots), fresh)
                # Empty slots read some prompt too: its values never matter.
                rows = [queue[max(number, 0)] for number in problems]
                prompts = stack([prompt for prompt, _ in rows])
                keys = jnp.stack([key for _, key in rows])
                state = load(weights, state, prompts, keys, mask)
            if (problems < 0).all():
                return
            state = step(weights, make_room(state), verdict)
            twigs = jax.device_get(state.twigs.replace(key=None))
            nodes = np.asarray(state.nodes)
            finished = (twigs.leaf < 0).all(1)
            seen = Round(problems.copy(), nodes, twigs, finished)
            verdict = verify(seen)
            yield seen, state
    finally:
        # An interpreter that exits while XLA computes crashes: wait for it.
        leaves = jax.tree.leaves(state)
        jax.block_until_ready([x for x in leaves if not x.is_deleted()])
