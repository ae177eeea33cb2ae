"""The jitted programs of a search: the parts of a round of `G` problems."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxlrm.limits import Limits
from jaxlrm.search import problem
from jaxlrm.search import tree as tree_lib
from jaxlrm.search.base import (
    Model,
    Reply,
    Round,
    State,
    Weights,
    no_reply,
)
from jaxlrm.search.strategies import Strategy
from jaxlrm.search.tree import WRITING, Tree, Twigs


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
    return State(
        tree=trees,
        twigs=twigs,
        nodes=twigs.leaf,
        steps=integers[:, 0],
        cache=model.allocate(strategy.nodes),
    )


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
        steps=state.steps,
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
    cache, twigs, steps = model.write(
        weights, state.cache, state.tree, before, seen
    )

    def written(length):  # without what a tool wrote
        return jnp.maximum(length - twigs.forced, 0).sum(1)

    new = written(twigs.length) - written(before.length)
    tree = state.tree.replace(spent=state.tree.spent + new)
    steps = jnp.full_like(state.steps, steps)
    return state.replace(tree=tree, twigs=twigs, steps=steps, cache=cache)


def score(
    model: Model, strategy: Strategy, state: State, weights: Weights
) -> State:
    """Scores the steps that are to be judged."""
    judged = jax.vmap(functools.partial(problem.to_judge, strategy))(
        state.twigs
    )
    cache, logit, partial = model.score(
        weights, state.cache, state.tree, state.twigs, judged
    )
    settle = functools.partial(problem.settle_score, strategy)
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
        update=jax.vmap(functools.partial(problem.update, strategy)),
        commit=functools.partial(commit, model),
        select=jax.vmap(functools.partial(problem.choose, strategy)),
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
    judged = jax.vmap(functools.partial(problem.to_judge, strategy))(twigs)
    finished = (twigs.leaf < 0).all(1)
    twigs = twigs.replace(key=None, kind=jnp.where(judged, twigs.kind, WRITING))
    counted = tree.spent, state.steps, tree.dropped, tree.peak
    return state.nodes, twigs, finished, *counted
