"""THE loop: select, generate, judge, keep; for `G` problems in lockstep.

It sees arrays and callables only. A round is

    tree, nodes = strategy.update(tree, twigs, verdict)   # of the last round
    cache, tree = model.commit(cache, tree, twigs, nodes)
    leaf        = strategy.select(tree)
    cache, twigs = model.extend(cache, tree, leaf, keys)
    reply       = ask(round)                              # the host: verdicts

*stepped* (`run`), the host is asked between two rounds, and a round is a few
jitted programs: those of the strategy need not be compiled again when a cache
grows, nor those of the models for another strategy. *fused*, all rounds are one
program, and the host is asked by a callback inside it. Both grow the same
trees.

A problem whose tree has no live node is finished; its slot takes the next
problem of the queue.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jaxlrm import limits as limits_lib
from jaxlrm.config import DOUBT
from jaxlrm.limits import Limits
from jaxlrm.search import tree as tree_lib
from jaxlrm.search.aggregate import Aggregate
from jaxlrm.search.select import narrow
from jaxlrm.search.strategies import Strategy
from jaxlrm.search.tree import Tree, Twigs

Cache = Any
Weights = Any


class Model(NamedTuple):
    """What the loop needs of the models, as pure functions.

    Attributes:
        allocate: `(nodes) -> cache` for `G` problems, before any prompt.
        prefill: `(weights, prompts) -> prefilled` runs the models over
            prompts, which have a field `length [G] int32`.
        start: `(cache, prefilled, prompts, mask) -> cache` gives the problems
            of `mask [G] bool` their new prompts.
        extend: `(weights, cache, tree, leaf, keys) -> (cache, twigs)` writes
            one step a branch and scores it.
        commit: `(cache, tree, twigs, nodes) -> (cache, tree)` stores the
            steps whose node is not -1, and frees those without a live
            descendant; a node that it has no room for is no longer live.
    """

    allocate: Callable[[int], Cache]
    prefill: Callable[[Weights, Any], Any]
    start: Callable[[Cache, Any, Any, jax.Array], Cache]
    extend: Callable[..., tuple[Cache, Twigs]]
    commit: Callable[[Cache, Tree, Twigs, jax.Array], tuple[Cache, Tree]]


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
        dropped: `[G]`, steps let go so far because the cache was full.
        peak: `[G]`, most tokens of kept steps that the cache has held so far.
        first: number of the first slot, where slots are asked about in parts.
    """

    problems: np.ndarray
    nodes: np.ndarray
    twigs: Twigs
    finished: np.ndarray
    dropped: np.ndarray
    peak: np.ndarray
    first: int = 0


class Reply(NamedTuple):
    """What the host answers to a round.

    Attributes:
        verdict: `[G, B] int32` of the twigs of the round.
        doubt: `[G, B] bool`, a symbolic verifier doubts the twig, without
            refuting it.
        length: `[G, B] int32`, tokens of the twig that are kept as a step; -1
            keeps it as it is.
        stop: `[G] bool`, the problem's search is to end.
        extra: `[G] int32`, tokens that it may write beyond its allowance.
        output: `[G, B, O] int32`, what a tool wrote after each twig.
        output_length: `[G, B] int32`.
    """

    verdict: np.ndarray
    doubt: np.ndarray
    length: np.ndarray
    stop: np.ndarray
    extra: np.ndarray
    output: np.ndarray
    output_length: np.ndarray


Ask = Callable[[Round], Reply]


def no_reply(problems: int, strategy: Strategy) -> Reply:
    """A reply that says nothing, for `G` problems, as numpy arrays."""
    shape = (problems, strategy.branches)
    return Reply(
        verdict=np.zeros(shape, np.int32),
        doubt=np.zeros(shape, bool),
        length=np.full(shape, -1, np.int32),
        stop=np.zeros(problems, bool),
        extra=np.zeros(problems, np.int32),
        output=np.zeros((*shape, strategy.output_tokens), np.int32),
        output_length=np.zeros(shape, np.int32),
    )


def initial(model: Model, strategy: Strategy, problems: int) -> State:
    """The state with every slot empty."""
    shape = (problems, strategy.branches)
    steps = (*shape, strategy.step_tokens)
    integers = jnp.zeros(shape, jnp.int32)
    twigs = Twigs(
        leaf=integers - 1,
        key=jax.random.split(jax.random.key(0), shape),
        tokens=jnp.zeros(steps, jnp.int32),
        valid=jnp.zeros(steps, bool),
        kind=integers,
        score=jnp.zeros(shape, jnp.float32),
        partial=jnp.zeros(shape, jnp.float32),
        logp=jnp.zeros(shape, jnp.float32),
        ahead=integers,
        forced=integers,
        reading=integers,
    )
    tree = tree_lib.empty(
        problems,
        strategy.nodes,
        strategy.step_tokens,
        strategy.output_tokens,
    )
    return State(tree, twigs, twigs.leaf, model.allocate(strategy.nodes))


def refill(
    model: Model,
    state: State,
    prefilled: Any,
    prompts: Any,
    keys: jax.Array,
    limits: Limits,
    mask: jax.Array,
) -> State:
    """Puts new problems into the slots of `mask [G] bool`.

    Args:
        model: the models.
        state: of `G` problems.
        prefilled: of `F` prompts; each is for one slot of its share of `G / F`
            of them, where devices share the slots the share of one.
        prompts: likewise.
        keys: `[F]` PRNG keys of the roots.
        limits: `[F]`.
        mask: the slots.
    """
    share = len(mask) // len(keys)

    def spread(x):
        each = jnp.broadcast_to(x[:, None], (len(x), share, *x.shape[1:]))
        return each.reshape(len(mask), *x.shape[1:])

    prefilled, prompts, keys, limits = jax.tree.map(
        spread, (prefilled, prompts, keys, limits)
    )
    tree = tree_lib.plant(state.tree, mask, keys, prompts.length, limits)
    twigs = state.twigs.replace(
        leaf=jnp.where(mask[:, None], -1, state.twigs.leaf)
    )
    nodes = jnp.where(mask[:, None], -1, state.nodes)
    cache = model.start(state.cache, prefilled, prompts, mask)
    return State(tree, twigs, nodes, cache)


def keep(
    strategy: Strategy, tree: Tree, twigs: Twigs, reply: Reply
) -> tuple[Tree, jax.Array, Twigs]:
    """Judges the steps of the last round, and keeps the best of them.

    Args:
        strategy: the search.
        tree: of the state after the last round.
        twigs: likewise.
        reply: the host's, to the last round.

    A chain with a doubt keeps a quarter of its odds (`config.DOUBT`), however
    many steps of it are in doubt.

    Returns:
        The trees, `[G, B] int32` the node of each twig, -1 if not kept, and the
        twigs as they were kept.
    """
    tokens = tree.limits.tokens + reply.extra
    tree = tree.replace(limits=tree.limits.replace(tokens=tokens))
    if strategy.output_tokens:
        twigs = shorten(twigs, jnp.asarray(reply.length))
    before = tree_lib.at(tree.doubtful, twigs.leaf)
    doubtful = before | reply.doubt
    score = scale_odds(twigs.score, DOUBT, doubtful & ~before)
    twigs = twigs.replace(score=score)
    tree, nodes = strategy.update(tree, twigs, jnp.asarray(reply.verdict))
    target = jnp.where(nodes < 0, tree.parent.shape[1], nodes)
    tree = tree.replace(doubtful=tree_lib.put(tree.doubtful, target, doubtful))
    if strategy.output_tokens:
        tree = tree.replace(
            output=tree_lib.put(tree.output, target, reply.output),
            output_length=tree_lib.put(
                tree.output_length, target, reply.output_length
            ),
        )
    stop = jnp.asarray(reply.stop)
    return tree.replace(live=tree.live & ~stop[:, None]), nodes, twigs


def shorten(twigs: Twigs, length: jax.Array) -> Twigs:
    """Twigs cut to `length [G, B]` tokens, then steps; -1 leaves one as it is.

    A tool's tokens before them are not counted.
    """
    cut = length >= 0
    kept = jnp.where(cut, twigs.forced + length, twigs.tokens.shape[-1])
    within = jnp.arange(twigs.tokens.shape[-1]) < kept[..., None]
    return twigs.replace(
        valid=twigs.valid & within,
        kind=jnp.where(cut, tree_lib.STEP, twigs.kind),
        reading=jnp.where(cut, 0, twigs.reading),
    )


def scale_odds(score: jax.Array, factor: float, where: jax.Array) -> jax.Array:
    """The score whose odds are `factor` times as high, `where` that holds."""
    scaled = factor * score / (factor * score + 1 - score)
    return jnp.where(where, scaled, score)


def store(model: Model, state: State) -> State:
    """Commits what `keep` has kept of the last round to the cache."""
    cache, tree = model.commit(
        state.cache, state.tree, state.twigs, state.nodes
    )
    return state.replace(cache=cache, tree=tree)


def choose(
    strategy: Strategy, tree: Tree
) -> tuple[Tree, tuple[jax.Array, jax.Array]]:
    """What the next round extends.

    Returns:
        The trees, in which it is counted, and the leaves `[G, B] int32` with
        the PRNG keys `[G, B]` of the branches.
    """
    leaf, ordinal = strategy.select(tree)
    leaf = narrow(tree, leaf)
    target = jnp.where(leaf < 0, tree.children.shape[1], leaf)
    tree = tree.replace(
        children=jax.vmap(lambda n, leaf: n.at[leaf].add(1, mode="drop"))(
            tree.children, target
        ),
        rounds=tree.rounds + (leaf >= 0).any(1),
    )
    fold = jax.vmap(jax.vmap(jax.random.fold_in))
    return tree, (leaf, fold(tree_lib.at(tree.key, leaf), ordinal))


def extend(
    model: Model, aggregate: Aggregate, state: State, weights: Weights, chosen
) -> State:
    """Writes a step in each of the branches that were `chosen`.

    One that the limit of tokens cuts leaves its chain the score that it had
    before; where no step was finished yet, the score at the cut stands in.
    """
    tree, (leaf, keys) = state.tree, chosen
    cache, twigs = model.extend(weights, state.cache, tree, leaf, keys)
    lowered, steps = (
        tree_lib.at(tree.score, leaf),
        tree_lib.at(tree.steps, leaf),
    )
    # A doubt lowers the whole, not its parts.
    doubtful = tree_lib.at(tree.doubtful, leaf)
    before = scale_odds(lowered, 1 / DOUBT, doubtful)
    after = scale_odds(aggregate(before, steps, twigs.score), DOUBT, doubtful)
    unscored = (twigs.kind == tree_lib.OPEN) & (steps > 0)
    twigs = twigs.replace(score=jnp.where(unscored, lowered, after))
    tree = tree.replace(spent=tree.spent + twigs.spent.sum(1))
    return state.replace(tree=tree, twigs=twigs, cache=cache)


class Programs(NamedTuple):
    """The jitted programs of a search.

    Attributes:
        prefill: `(weights, prompts) -> prefilled`, see `Model`.
        refill: `(state, prefilled, prompts, keys, limits, mask) -> state`.
        keep: `(tree, twigs, reply) -> (tree, nodes, twigs)`.
        store: `state -> state`.
        choose: `tree -> (tree, chosen)`.
        extend: `(state, weights, chosen) -> state`.
        finish: `(state, weights, problems) -> state`, all rounds of the
            problems `[G] int32` in the slots, the host asked from inside;
            None where searches are stepped.
    """

    prefill: Callable[..., Any]
    refill: Callable[..., State]
    keep: Callable[..., tuple[Tree, jax.Array, Twigs]]
    store: Callable[[State], State]
    choose: Callable[[Tree], tuple[Tree, Any]]
    extend: Callable[..., State]
    finish: Callable[..., State] | None = None

    @property
    def compiled(self) -> int:
        """How many programs were compiled that go through a model's layers.

        Without those of `prefill`, which searches may share.
        """
        deep = (self.refill, self.store, self.extend, self.finish)
        return sum(program._cache_size() for program in deep if program)

    def load(self, weights: Weights, state: State, prompts, keys, limits, mask):
        """The state with new problems in the slots of `mask [G] bool`."""
        prefilled = self.prefill(weights, prompts)
        return self.refill(state, prefilled, prompts, keys, limits, mask)

    def judge(self, state: State, reply: Reply) -> State:
        """The state as the reply to its last round leaves it."""
        tree, nodes, twigs = self.keep(state.tree, state.twigs, reply)
        return state.replace(tree=tree, nodes=nodes, twigs=twigs)

    def write(self, weights: Weights, state: State) -> State:
        """A round, after `judge`."""
        state = self.store(state)
        tree, chosen = self.choose(state.tree)
        return self.extend(state.replace(tree=tree), weights, chosen)


def compile_quickly() -> dict[str, int] | None:
    """Compiler options of a program that runs for little of a round.

    On a CPU LLVM's optimiser is up to half of what compiling it takes, and
    saves a hundredth of a round (`mini`, 256 branches).
    """
    if jax.default_backend() != "cpu":
        return None
    return {"xla_backend_optimization_level": 0}


def compile_rounds(
    model: Model,
    strategy: Strategy,
    shardings=None,
    *,
    ask: Callable[[Round], Reply] | None = None,
    prefill: Callable[..., Any] | None = None,
) -> Programs:
    """The jitted programs of a search.

    Args:
        model: the models.
        strategy: the search.
        shardings: of the state, so that it stays where it is.
        ask: asks the host from inside a program, about a `Round` of traced
            arrays; given, the search is fused.
        prefill: the model's, jitted, where searches share it.
    """
    plain = Programs(
        prefill=model.prefill,
        refill=functools.partial(refill, model),
        keep=functools.partial(keep, strategy),
        store=functools.partial(store, model),
        choose=functools.partial(choose, strategy),
        extend=functools.partial(extend, model, strategy.aggregate),
    )
    finish = functools.partial(_finish, plain, strategy, ask)
    # What is overwritten without being read is donated too, if it is kept.
    settings = {
        "donate_argnums": 0,
        "out_shardings": shardings,
        "keep_unused": True,
    }
    quickly = {"compiler_options": compile_quickly()}
    trees = shardings and shardings.tree
    nodes, twigs = shardings and shardings.nodes, shardings and shardings.twigs
    chosen = nodes, shardings and shardings.twigs.key
    return Programs(
        prefill=prefill or jax.jit(plain.prefill),
        refill=jax.jit(plain.refill, **settings, **quickly),
        keep=jax.jit(
            plain.keep, out_shardings=(trees, nodes, twigs), **quickly
        ),
        store=jax.jit(plain.store, **settings),
        choose=jax.jit(
            plain.choose,
            donate_argnums=0,
            out_shardings=(trees, chosen),
            **quickly,
        ),
        extend=jax.jit(plain.extend, **settings),
        finish=jax.jit(finish, **settings) if ask else None,
    )


def _finish(
    plain: Programs,
    strategy: Strategy,
    ask,
    state: State,
    weights: Weights,
    problems: jax.Array,
) -> State:
    """All rounds of a search in one program."""

    def unfinished(carry):
        return (carry[-1] >= 0).any()

    def body(carry):
        state, reply, problems = carry
        state = plain.write(weights, plain.judge(state, reply))
        seen = _round(problems, *_shown(state))
        reply = ask(seen)
        return state, reply, jnp.where(seen.finished, -1, problems)

    silence = jax.tree.map(jnp.asarray, no_reply(len(problems), strategy))
    return jax.lax.while_loop(unfinished, body, (state, silence, problems))[0]


def _round(problems, nodes, twigs, dropped, peak, *, first: int = 0) -> Round:
    finished = (twigs.leaf < 0).all(1)
    return Round(problems, nodes, twigs, finished, dropped, peak, first)


def _shown(state: State):
    """What the host is shown of a state."""
    tree = state.tree
    return (
        state.nodes,
        state.twigs.replace(key=None, reading=None),
        tree.dropped,
        tree.peak,
    )


@dataclasses.dataclass
class Lane:
    """`G` slots that advance together.

    Attributes:
        state: the search; being computed, perhaps, while the host works.
        problems: `[G]` number of the problem in each slot, -1 if empty.
        reply: the host's to the last round.
        first: number of the first slot among those of all lanes.
    """

    state: State
    problems: np.ndarray
    reply: Reply
    first: int

    @property
    def empty(self) -> bool:
        """No slot has a problem."""
        return bool((self.problems < 0).all())


def begin(states: Sequence[State], strategy: Strategy) -> list[Lane]:
    """Lanes before their first round.

    Args:
        states: of `initial`, one a lane, of equally many slots.
        strategy: the search.
    """
    slots = states[0].twigs.leaf.shape[0]
    return [
        Lane(
            state, np.full(slots, -1), no_reply(slots, strategy), number * slots
        )
        for number, state in enumerate(states)
    ]


def _turns(fresh: Sequence[int], size: int) -> Iterator[dict[int, int]]:
    """Deals slots out so that those of a turn are each of another share.

    Args:
        fresh: slots to be filled, in rising order.
        size: slots of a share.

    Yields:
        For each turn its slots, by the numbers of their shares.
    """
    waiting: dict[int, list[int]] = {}
    for slot in fresh:
        waiting.setdefault(int(slot) // size, []).append(int(slot))
    while waiting:
        yield {share: slots.pop(0) for share, slots in waiting.items()}
        waiting = {share: slots for share, slots in waiting.items() if slots}


def run(
    programs: Programs,
    weights: Weights,
    lanes: Sequence[Lane],
    queue: Sequence[tuple[Any, jax.Array, Limits]],
    stack: Callable[[list[Any]], Any],
    ask: Ask,
    make_room: Callable[[State, State], State] = lambda before, after: after,
    shares: int = 1,
) -> Iterator[tuple[Round, Lane]]:
    """Runs the loop until the queue is empty and every problem is finished.

    Args:
        programs: of `compile_rounds`.
        weights: what the models are given in every call.
        lanes: of `begin`; changed in place. While the host is asked about one
            lane, the device computes the round of another.
        queue: a prompt, a root key and the limits of each problem.
        stack: prompts to what `model.prefill` takes.
        ask: the symbolic verifiers, on the host.
        make_room: grows a cache that has no room for what was kept of the
            last round; it is given the state before and after `keep`.
        shares: `F`, prompts that are read together: one for each of so many
            equal parts of the slots, those of a device each.

    Yields:
        After every round what happened in it, with its lane; where searches
        are fused, after the last round of the problems in the slots.
    """

    def start(lane: Lane) -> None:
        """Fills the lane's empty slots and sets off its next round."""
        nonlocal coming
        fresh = np.flatnonzero(lane.problems < 0)[: len(queue) - coming]
        slots = len(lane.problems)
        if fresh.size:
            lane.problems[fresh] = coming + np.arange(fresh.size)
            coming += fresh.size
        for turn in _turns(fresh, slots // shares):
            # A share without a new problem reads another's, for nothing.
            some = next(iter(turn.values()))
            taken = [turn.get(share, some) for share in range(shares)]
            rows = [queue[number] for number in lane.problems[taken]]
            mask = np.isin(np.arange(slots), list(turn.values()))
            tokens, keys, limits = zip(*rows, strict=True)
            lane.state = programs.load(
                weights,
                lane.state,
                stack(tokens),
                jnp.stack(keys),
                limits_lib.stack(limits),
                mask,
            )
        if lane.empty:
            return
        if programs.finish is not None:
            problems = lane.problems.astype(np.int32)
            lane.state = programs.finish(lane.state, weights, problems)
        else:
            judged = programs.judge(lane.state, lane.reply)
            state = make_room(lane.state, judged)
            lane.state = programs.write(weights, state)

    coming = 0  # number of the next problem in the queue
    try:
        for lane in lanes:
            start(lane)
        while not all(lane.empty for lane in lanes):
            for lane in lanes:
                if lane.empty:
                    continue
                shown = jax.device_get(_shown(lane.state))
                seen = _round(lane.problems, *shown, first=lane.first)
                if programs.finish is None:
                    lane.reply = ask(seen)
                lane.problems = np.where(seen.finished, -1, lane.problems)
                yield seen, lane
                start(lane)
    finally:
        # An interpreter that exits while XLA computes crashes: wait for it.
        leaves = jax.tree.leaves([lane.state for lane in lanes])
        jax.block_until_ready([x for x in leaves if not x.is_deleted()])
