"""THE loop: many chains of `G` problems, in lockstep.

    while any problem is unfinished:
        tree  = update(tree, twigs, reply)   # veto, merge equals, keep, budgets
        cache = commit(cache, tree, twigs)   # kept steps join the trunk
        leaf  = select(tree, idle)           # a node for each idle row, or none
        twigs = write(cache, leaf)           # a chunk of tokens in every row
        twigs = score(cache, twigs)          # learned verifiers
        reply = verify(twigs)                # symbolic ones and tools, the host

It sees arrays and callables only. `update` and `select` are of one problem, and
are mapped over `G` here. `write` returns after a chunk of tokens: a row in the
middle of a step goes on with it in the next round.

*stepped* (`run`), the host is asked between two rounds, and a round is a few
jitted programs: those of the strategy need not be compiled again when a cache
grows, nor those of the models for another strategy. *fused*, all rounds are one
program, and the host is asked by a callback inside it. Both grow the same
trees.

A problem whose rows are all idle is finished; its slot takes the next problem
of the queue.
"""

from __future__ import annotations

import bisect
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
from jaxlrm.search import retry, select
from jaxlrm.search import tree as tree_lib
from jaxlrm.search.strategies import Strategy
from jaxlrm.search.tree import OPEN, STEP, WRITING, Steps, Tree, Twigs, at, put

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
        write: `(weights, cache, tree, twigs, seen) -> (cache, twigs)` writes
            up to a chunk of tokens in each row that is in a step.
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
    write: Callable[..., tuple[Cache, Twigs]]
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
        nodes: `[G, R]` node that each step judged last became, or -1.
        twigs: of this round, as numpy arrays, without keys. The kind is
            WRITING for rows that are not to be judged yet.
        finished: `[G] bool`, nothing is left to extend.
        spent: `[G]`, tokens that the generator wrote so far.
        dropped: `[G]`, steps let go so far because the cache was full.
        peak: `[G]`, most tokens of kept steps that the cache has held so far.
        first: number of the first slot, where slots are asked about in parts.
    """

    problems: np.ndarray
    nodes: np.ndarray
    twigs: Twigs
    finished: np.ndarray
    spent: np.ndarray
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


# --- One problem -------------------------------------------------------------


def update(
    strategy: Strategy, tree: Tree, twigs: Twigs, reply: Reply
) -> tuple[Tree, jax.Array, Twigs]:
    """Judges the steps that have ended, and keeps the best of them.

    A chain with a doubt keeps a quarter of its odds (`config.DOUBT`), however
    many steps of it are in doubt.

    Returns:
        The tree, `[R] int32` the node of each step, -1 if not kept, and the
        twigs, in which the rows of these steps are idle.
    """
    judged = to_judge(strategy, twigs)
    if strategy.output_tokens:
        twigs = shorten(twigs, jnp.where(judged, reply.length, -1))
    before = at(tree.doubtful, twigs.leaf)
    doubtful = before | reply.doubt
    score = scale_odds(twigs.score, DOUBT, doubtful & ~before)
    twigs = twigs.replace(score=score)
    steps, group = _steps(strategy, tree, twigs, judged, reply.verdict)
    keep = strategy.keep(tree, steps)
    live = strategy.stay(tree, steps, keep)
    live = jnp.where(judged.any(), live, tree.live)
    tree, nodes = tree_lib.add(
        tree.replace(live=live), twigs, keep, reply.verdict, steps.count, group
    )
    tree = tree.replace(doubtful=put(tree.doubtful, nodes, doubtful))
    if strategy.output_tokens:
        tree = tree.replace(
            output=put(tree.output, nodes, reply.output),
            output_length=put(tree.output_length, nodes, reply.output_length),
        )
    tree = strategy.learn(tree, steps, nodes)
    done = _is_done(strategy, tree)
    tree = tree.replace(live=tree.live & retry.fits(tree) & ~done)
    if strategy.goes_back:
        stuck = judged.any() & ~tree.live.any() & ~done
        if not strategy.checked:  # none is proven
            stuck &= ~tree.answers.any()
        tree = retry.step_back(tree, steps, stuck)
    if strategy.keeps_all:
        changed = jnp.where(nodes < 0, steps.leaf, nodes)
        tree = tree_lib.refresh(tree, changed)
    tree = tree.replace(live=tree.live & ~reply.stop)
    idle = jnp.where(judged | ~tree.live.any(), -1, twigs.leaf)
    return tree, nodes, twigs.replace(leaf=idle)


def to_judge(strategy: Strategy, twigs: Twigs) -> jax.Array:
    """`[R] bool`: steps that have ended, and need not wait for others."""
    waiting = strategy.waits & twigs.writing.any()
    return twigs.ended & ~waiting


def _steps(
    strategy: Strategy,
    tree: Tree,
    twigs: Twigs,
    judged: jax.Array,
    verdict: jax.Array,
) -> tuple[Steps, jax.Array]:
    """What a strategy sees of the steps, and the group of each row."""
    rows = twigs.leaf.shape[0]
    group = jnp.array(strategy.group or [0] * rows, jnp.int32)
    first, count = tree_lib.first_of_equals(twigs, judged, group)
    known = jnp.zeros_like(judged)
    if strategy.goes_back:
        known = tree_lib.has_child(tree, twigs)
    steps = Steps(
        leaf=jnp.where(judged, twigs.leaf, -1),
        kind=twigs.kind,
        score=twigs.score,
        verdict=verdict,
        first=first,
        sound=first & (verdict != tree_lib.INVALID),
        count=count,
        known=known,
    )
    return steps, group


def _is_done(strategy: Strategy, tree: Tree) -> jax.Array:
    """`bool`: an answer is proven, or a budget is spent.

    Or enough answers were found.
    """
    done = strategy.enough(tree) | (tree.spent >= tree.limits.tokens)
    if not strategy.whole:
        done |= tree.rounds >= tree.limits.rounds
    if strategy.checked:
        proven = tree.answers & (tree.verdict == tree_lib.VALID)
        done |= proven.any()
    return done


def shorten(twigs: Twigs, length: jax.Array) -> Twigs:
    """Twigs cut to `length [R]` tokens, then steps; -1 leaves one as it is.

    A tool's tokens before them are not counted.
    """
    cut = length >= 0
    kept = jnp.minimum(twigs.forced + length, twigs.length)
    return twigs.replace(
        length=jnp.where(cut, kept, twigs.length),
        kind=jnp.where(cut, STEP, twigs.kind),
        reading=jnp.where(cut, 0, twigs.reading),
    )


def scale_odds(score: jax.Array, factor: float, where: jax.Array) -> jax.Array:
    """The score whose odds are `factor` times as high, `where` that holds."""
    scaled = factor * score / (factor * score + 1 - score)
    return jnp.where(where, scaled, score)


def choose(strategy: Strategy, tree: Tree, twigs: Twigs) -> tuple[Tree, Twigs]:
    """Begins a step in each idle row that the strategy has a leaf for.

    Where tokens run short, some rows stay idle.
    """
    idle = twigs.leaf < 0
    ready = idle.all() | (not strategy.waits)
    leaf = strategy.select(tree, idle).astype(jnp.int32)
    leaf = jnp.where(idle & ready, leaf, -1)
    leaf = select.narrow(tree, twigs, leaf)
    keys = at(tree.key, leaf)
    target = jnp.where(leaf < 0, tree.children.shape[0], leaf)
    ordinal = select.ordinals(tree, leaf)
    twigs = twigs.begin(leaf, jax.vmap(jax.random.fold_in)(keys, ordinal))
    rounds = tree.rounds + (leaf >= 0).any()
    if not strategy.waits:  # rows begin at different times
        rounds = twigs.begun.max()
    children = tree.children.at[target].add(1, mode="drop")
    return tree.replace(children=children, rounds=rounds), twigs


def settle_score(
    strategy: Strategy,
    tree: Tree,
    twigs: Twigs,
    judged: jax.Array,
    logit: jax.Array,
    partial: jax.Array,
) -> Twigs:
    """The scores of the chains, out of the logits of their last steps.

    One that the limit of tokens cuts leaves its chain the score that it had
    before; where no step was finished yet, the score at the cut stands in.
    """
    leaf = twigs.leaf
    lowered, number = at(tree.score, leaf), at(tree.steps, leaf)
    # A doubt lowers the whole, not its parts.
    doubtful = at(tree.doubtful, leaf)
    before = scale_odds(lowered, 1 / DOUBT, doubtful)
    own = jax.nn.sigmoid(logit)
    after = strategy.aggregate(before, number, own)
    after = scale_odds(after, DOUBT, doubtful)
    is_open = twigs.kind == OPEN
    score = jnp.where(is_open & (number > 0), lowered, after)
    return twigs.replace(
        score=jnp.where(judged, score, twigs.score),
        partial=jnp.where(judged & is_open, partial, 0.0),
    )


# --- All problems ------------------------------------------------------------


def initial(model: Model, strategy: Strategy, problems: int) -> State:
    """The state with every slot empty."""
    shape = (problems, model.rows)
    integers = jnp.zeros(shape, jnp.int32)
    floats = jnp.zeros(shape, jnp.float32)
    twigs = Twigs(
        leaf=integers - 1,
        key=jax.random.split(jax.random.key(0), shape),
        tokens=jnp.zeros((*shape, strategy.step_tokens), jnp.int32),
        length=integers,
        forced=integers,
        kind=integers + WRITING,
        score=floats,
        partial=floats,
        logp=floats,
        reading=integers,
        begun=integers,
    )
    tree = tree_lib.empty(
        strategy.nodes, strategy.step_tokens, strategy.output_tokens
    )
    trees = jax.tree.map(
        lambda x: jnp.broadcast_to(x, (problems, *x.shape)), tree
    )
    return State(trees, twigs, twigs.leaf, model.allocate(strategy.nodes))


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
    fresh = jax.vmap(tree_lib.plant)(state.tree, keys, prompts.length, limits)

    def pick(new, old):
        return jnp.where(mask.reshape(-1, *([1] * (old.ndim - 1))), new, old)

    nothing = jnp.full_like(state.nodes, -1)
    cache = model.start(state.cache, prefilled, prompts, mask)
    return State(
        tree=jax.tree.map(pick, fresh, state.tree),
        twigs=state.twigs.replace(
            leaf=pick(nothing, state.twigs.leaf),
            begun=pick(0 * nothing, state.twigs.begun),
        ),
        nodes=pick(nothing, state.nodes),
        cache=cache,
    )


def commit(model: Model, state: State) -> State:
    """Stores what `update` has kept in the cache."""
    cache, tree = model.commit(
        state.cache, state.tree, state.twigs, state.nodes
    )
    return state.replace(cache=cache, tree=tree)


def write(model: Model, state: State, weights: Weights, seen: int) -> State:
    """Writes a chunk of tokens in each row that is in a step."""
    before = state.twigs
    cache, twigs = model.write(weights, state.cache, state.tree, before, seen)

    def written(length):  # without what a tool wrote
        return jnp.maximum(length - twigs.forced, 0).sum(1)

    new = written(twigs.length) - written(before.length)
    tree = state.tree.replace(spent=state.tree.spent + new)
    return state.replace(tree=tree, twigs=twigs, cache=cache)


def score(
    model: Model, strategy: Strategy, state: State, weights: Weights
) -> State:
    """Scores the steps that are to be judged."""
    judged = jax.vmap(functools.partial(to_judge, strategy))(state.twigs)
    cache, logit, partial = model.score(
        weights, state.cache, state.tree, state.twigs, judged
    )
    settle = functools.partial(settle_score, strategy)
    twigs = jax.vmap(settle)(state.tree, state.twigs, judged, logit, partial)
    return state.replace(twigs=twigs, cache=cache)


class Programs(NamedTuple):
    """The jitted programs of a search.

    Attributes:
        prefill: `(weights, prompts) -> prefilled`, see `Model`.
        refill: `(state, prefilled, prompts, keys, limits, mask) -> state`.
        update: `(tree, twigs, reply) -> (tree, nodes, twigs)`.
        commit: `state -> state`.
        select: `(tree, twigs) -> (tree, twigs)`.
        write: `(state, weights, seen) -> state`.
        score: `(state, weights) -> state`.
        show: `state -> ...`, what the host is shown of it, see `Round`.
        finish: `(state, weights, problems) -> state`, all rounds of the
            problems `[G] int32` in the slots, the host asked from inside;
            None where searches are stepped.
        reads: see `Model`.
        seen: likewise.
    """

    prefill: Callable[..., Any]
    refill: Callable[..., State]
    update: Callable[..., tuple[Tree, jax.Array, Twigs]]
    commit: Callable[[State], State]
    select: Callable[[Tree, Twigs], tuple[Tree, Twigs]]
    write: Callable[..., State]
    score: Callable[..., State]
    show: Callable[[State], Any]
    finish: Callable[..., State] | None
    reads: bool
    seen: tuple[int, ...]

    @property
    def compiled(self) -> int:
        """How many programs were compiled that go through a model's layers.

        Without those of `prefill`, which searches may share.
        """
        score = self.score if self.reads else None
        deep = (self.refill, self.commit, self.write, score, self.finish)
        return sum(program._cache_size() for program in deep if program)

    def load(self, weights: Weights, state: State, prompts, keys, limits, mask):
        """The state with new problems in the slots of `mask [G] bool`."""
        prefilled = self.prefill(weights, prompts)
        return self.refill(state, prefilled, prompts, keys, limits, mask)

    def judge(self, state: State, reply: Reply) -> State:
        """The state as the reply to its last round leaves it."""
        tree, nodes, twigs = self.update(state.tree, state.twigs, reply)
        return state.replace(tree=tree, nodes=nodes, twigs=twigs)

    def round(self, weights: Weights, state: State, seen: int = 0) -> State:
        """A round, after `judge`."""
        state = self.commit(state)
        tree, twigs = self.select(state.tree, state.twigs)
        state = self.write(state.replace(tree=tree, twigs=twigs), weights, seen)
        return self.score(state, weights)


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
        update=jax.vmap(functools.partial(update, strategy)),
        commit=functools.partial(commit, model),
        select=jax.vmap(functools.partial(choose, strategy)),
        write=functools.partial(write, model),
        score=functools.partial(score, model, strategy),
        show=functools.partial(_show, strategy),
        finish=None,
        reads=model.reads,
        seen=model.seen,
    )
    finish = functools.partial(_finish, plain, model, strategy, ask)
    # What is overwritten without being read is donated too, if it is kept.
    settings = {
        "donate_argnums": 0,
        "out_shardings": shardings,
        "keep_unused": True,
    }
    quickly = {"compiler_options": compile_quickly()}
    trees = shardings and shardings.tree
    nodes, twigs = shardings and shardings.nodes, shardings and shardings.twigs
    return Programs(
        prefill=prefill or jax.jit(plain.prefill),
        refill=jax.jit(plain.refill, **settings, **quickly),
        update=jax.jit(
            plain.update, out_shardings=(trees, nodes, twigs), **quickly
        ),
        commit=jax.jit(plain.commit, **settings),
        select=jax.jit(
            plain.select,
            donate_argnums=(0, 1),
            out_shardings=(trees, twigs),
            **quickly,
        ),
        write=jax.jit(plain.write, static_argnums=2, **settings),
        score=jax.jit(plain.score, **settings),
        show=jax.jit(plain.show, **quickly),
        finish=jax.jit(finish, **settings) if ask else None,
        reads=model.reads,
        seen=model.seen,
    )


def _finish(
    plain: Programs,
    model: Model,
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
        state = plain.judge(state, reply)
        state = plain.round(weights, state, model.seen[-1])
        seen = Round(problems, *plain.show(state))
        return state, ask(seen), jnp.where(seen.finished, -1, problems)

    silence = no_reply(len(problems), model.rows, strategy.output_tokens)
    silence = jax.tree.map(jnp.asarray, silence)
    return jax.lax.while_loop(unfinished, body, (state, silence, problems))[0]


def _show(strategy: Strategy, state: State):
    """What the host is shown of a state: see `Round`."""
    tree, twigs = state.tree, state.twigs
    judged = jax.vmap(functools.partial(to_judge, strategy))(twigs)
    finished = (twigs.leaf < 0).all(1)
    twigs = twigs.replace(key=None, kind=jnp.where(judged, twigs.kind, WRITING))
    return state.nodes, twigs, finished, tree.spent, tree.dropped, tree.peak


@dataclasses.dataclass
class Lane:
    """`G` slots that advance together.

    Attributes:
        state: the search; being computed, perhaps, while the host works.
        problems: `[G]` number of the problem in each slot, -1 if empty.
        reply: the host's to the last round.
        first: number of the first slot among those of all lanes.
        longest: tokens of the longest step that a row is in the middle of.
    """

    state: State
    problems: np.ndarray
    reply: Reply
    first: int
    longest: int = 0

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
    slots, rows = states[0].twigs.leaf.shape
    silence = no_reply(slots, rows, strategy.output_tokens)
    return [
        Lane(state, np.full(slots, -1), silence, number * slots)
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
            last round; it is given the state before and after `update`.
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
            tokens, keys, limits = zip(*rows, strict=True)
            lane.state = programs.load(
                weights,
                lane.state,
                stack(tokens),
                jnp.stack(keys),
                limits_lib.stack(limits),
                np.isin(np.arange(slots), list(turn.values())),
            )
        if lane.empty:
            return
        if programs.finish is not None:
            problems = lane.problems.astype(np.int32)
            lane.state = programs.finish(lane.state, weights, problems)
        else:
            judged = programs.judge(lane.state, lane.reply)
            state = make_room(lane.state, judged)
            place = bisect.bisect_left(programs.seen, lane.longest)
            lane.state = programs.round(weights, state, programs.seen[place])

    coming = 0  # number of the next problem in the queue
    try:
        for lane in lanes:
            start(lane)
        while not all(lane.empty for lane in lanes):
            for lane in lanes:
                if lane.empty:
                    continue
                shown = jax.device_get(programs.show(lane.state))
                seen = Round(lane.problems, *shown, first=lane.first)
                writing = (seen.twigs.leaf >= 0) & (seen.twigs.kind == WRITING)
                lane.longest = int(
                    seen.twigs.length.max(where=writing, initial=0)
                )
                if programs.finish is None:
                    lane.reply = ask(seen)
                lane.problems = np.where(seen.finished, -1, lane.problems)
                yield seen, lane
                start(lane)
    finally:
        # An interpreter that exits while XLA computes crashes: wait for it.
        leaves = jax.tree.leaves([lane.state for lane in lanes])
        jax.block_until_ready([x for x in leaves if not x.is_deleted()])
