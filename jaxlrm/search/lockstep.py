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
    Strategy,
    Weights,
    no_reply,
)
from jaxlrm.search.tree import WRITING, Tree, Twigs


def initial(model: Model, strategy: Strategy, problems: int) -> State:
    """The state with every slot empty."""
    tree = tree_lib.empty(
        strategy.nodes, strategy.step_tokens, strategy.output_tokens
    )
    twigs = tree_lib.idle(model.rows, strategy.step_tokens)
    tree, twigs = jax.tree.map(
        lambda x: jnp.broadcast_to(x, (problems, *x.shape)), (tree, twigs)
    )
    return State(tree, twigs, model.allocate(strategy.nodes))


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

    Of `F` prompts, root keys and limits each is for one slot of its share, of
    `G / F` slots (those of a device, where devices share the slots).
    """
    share = len(mask) // len(keys)

    def spread(x):
        each = jnp.broadcast_to(x[:, None], (len(x), share, *x.shape[1:]))
        return each.reshape(len(mask), *x.shape[1:])

    def pick(new, old):
        return jnp.where(mask.reshape(-1, *([1] * (old.ndim - 1))), new, old)

    prefilled, prompts, keys, limits = jax.tree.map(
        spread, (prefilled, prompts, keys, limits)
    )
    old, nothing = state.twigs, jnp.full_like(state.twigs.leaf, -1)
    fresh = jax.vmap(tree_lib.plant)(state.tree, keys, prompts.length, limits)
    return State(
        tree=jax.tree.map(pick, fresh, state.tree),
        twigs=old.replace(
            leaf=pick(nothing, old.leaf),
            node=pick(nothing, old.node),
            begun=pick(0, old.begun),
        ),
        cache=model.start(state.cache, prefilled, prompts, mask),
    )


def commit(model: Model, state: State) -> State:
    """Stores what `update` has kept in the cache."""
    cache, tree = model.commit(state.cache, state.tree, state.twigs)
    return state.replace(cache=cache, tree=tree)


def write(model: Model, state: State, weights: Weights, seen: int) -> State:
    """Writes a chunk of tokens in each row that is in a step."""
    tree, before = state.tree, state.twigs
    cache, twigs, time = model.write(weights, state.cache, tree, before, seen)

    def written(length):  # without what a tool wrote
        return jnp.maximum(length - twigs.forced, 0).sum(1)

    new = written(twigs.length) - written(before.length)
    tree = tree.replace(
        spent=tree.spent + new, time=jnp.full_like(tree.time, time)
    )
    return State(tree, twigs, cache)


def score(
    model: Model, strategy: Strategy, state: State, weights: Weights
) -> State:
    """Scores the steps that are to be judged."""
    tree, twigs = state.tree, state.twigs
    judged = jax.vmap(functools.partial(problem.to_judge, strategy))(twigs)
    cache, *found = model.score(weights, state.cache, tree, twigs, judged)
    settle = jax.vmap(functools.partial(problem.settle_score, strategy))
    return State(tree, settle(tree, twigs, judged, *found), cache)


def show(strategy: Strategy, state: State) -> Round:
    """What the host is shown of a state, without the numbers of problems."""
    tree, twigs = state.tree, state.twigs
    judged = jax.vmap(functools.partial(problem.to_judge, strategy))(twigs)
    kind = jnp.where(judged, twigs.kind, WRITING)
    return Round(
        problems=None,
        twigs=twigs.replace(key=None, kind=kind),
        finished=(twigs.leaf < 0).all(1),
        spent=tree.spent,
        time=tree.time,
        dropped=tree.dropped,
        peak=tree.peak,
    )


class Programs(NamedTuple):
    """The parts of a round, of functions of this module or jitted ones."""

    prefill: Callable[..., Any]  # (weights, prompts) -> prefilled
    # (state, prefilled, prompts, keys, limits, mask) -> state
    refill: Callable[..., State]
    update: Callable[..., tuple[Tree, Twigs]]  # (tree, twigs, reply)
    commit: Callable[[State], State]
    select: Callable[[Tree, Twigs], tuple[Tree, Twigs]]
    write: Callable[..., State]  # (state, weights, seen) -> state
    score: Callable[..., State]  # (state, weights) -> state
    show: Callable[[State], Round]
    # (state, weights, problems [G] int32) -> state: all rounds of the problems
    # in the slots, the host asked from inside; None where it is stepped.
    finish: Callable[..., State] | None
    reads: bool  # as in `Model`, and so is the next
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
        tree, twigs = self.update(state.tree, state.twigs, reply)
        return state.replace(tree=tree, twigs=twigs)

    def round(self, weights: Weights, state: State, seen: int = 0) -> State:
        """A round, after `judge`."""
        state = self.commit(state)
        tree, twigs = self.select(state.tree, state.twigs)
        state = self.write(state.replace(tree=tree, twigs=twigs), weights, seen)
        return self.score(state, weights)


def compile_rounds(
    model: Model,
    strategy: Strategy,
    shardings=None,
    *,
    ask: Callable[[Round], Reply] | None = None,
    prefill: Callable[..., Any] | None = None,
    options: dict[str, int] | None = None,
) -> Programs:
    """The jitted programs of a search.

    Args:
        model: the models.
        strategy: the search.
        shardings: of the state, so that it stays where it is.
        ask: asks the host from inside a program, about a `Round` of traced
            arrays; given, the search is fused.
        prefill: the model's, jitted, where searches share it.
        options: of the compiler, for programs that run for little of a round.
    """
    plain = Programs(
        prefill=model.prefill,
        refill=functools.partial(refill, model),
        update=jax.vmap(functools.partial(problem.update, strategy)),
        commit=functools.partial(commit, model),
        select=jax.vmap(functools.partial(problem.choose, strategy)),
        write=functools.partial(write, model),
        score=functools.partial(score, model, strategy),
        show=functools.partial(show, strategy),
        finish=None,
        reads=model.reads,
        seen=model.seen,
    )
    quickly = {"compiler_options": options}
    pair = shardings and (shardings.tree, shardings.twigs)
    own = {"out_shardings": pair, **quickly}
    # What is overwritten without being read is donated too, if it is kept.
    donated = {"donate_argnums": 0, "keep_unused": True}
    whole = {"out_shardings": shardings, **donated}
    finish = functools.partial(_finish, plain, ask)
    return plain._replace(
        prefill=prefill or jax.jit(plain.prefill),
        refill=jax.jit(plain.refill, **whole, **quickly),
        # Not donated: room is made by the trees before and after.
        update=jax.jit(plain.update, **own),
        commit=jax.jit(plain.commit, **whole),
        select=jax.jit(plain.select, donate_argnums=(0, 1), **own),
        write=jax.jit(plain.write, static_argnums=2, **whole),
        score=jax.jit(plain.score, **whole),
        show=jax.jit(plain.show, **quickly),
        finish=jax.jit(finish, **whole) if ask else None,
    )


def _finish(
    plain: Programs,
    ask: Callable[[Round], Reply],
    state: State,
    weights: Weights,
    problems: jax.Array,
) -> State:
    """All rounds of a search in one program."""

    def body(carry):
        state, reply, problems = carry
        state = plain.judge(state, reply)
        state = plain.round(weights, state, plain.seen[-1])
        seen = plain.show(state)._replace(problems=problems)
        return state, ask(seen), jnp.where(seen.finished, -1, problems)

    silence = no_reply(*state.twigs.leaf.shape, state.tree.output.shape[-1])
    silence = jax.tree.map(jnp.asarray, silence)
    return jax.lax.while_loop(
        lambda carry: (carry[-1] >= 0).any(), body, (state, silence, problems)
    )[0]
