"""Strategies: what of a round is kept, and what the next one extends.

| name      | a row writes   | kept                 | an answer's weight   |
|-----------|----------------|----------------------|----------------------|
| greedy    | a whole chain  | the likeliest chain  | 1                    |
| majority  | whole chains   | all                  | 1                    |
| best_of_n | whole chains   | all                  | the best score's all |
| weighted  | whole chains   | all                  | score                |
| beam      | a step         | `B / width` places   | score                |
| dvts      | a step         | the best of each     | score                |
|           |                | of `B / width` trees |                      |
| rebase    | a step         | all                  | score                |
| mcts      | a step         | all, for good        | score                |
| sequential| a step         | each chain's own     | score                |

Their functions are of one problem. What is the same for all stands in
`problem.py`: a step found INVALID is dropped, equal steps are merged, budgets
are charged, a proof ends the search. Second tries are a wrapper, `retry.py`.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from jaxlrm import limits
from jaxlrm.config import CHECKED, LINE, SCORED, WHOLE, SearchConfig
from jaxlrm.limits import UNLIMITED
from jaxlrm.search import retry, select
from jaxlrm.search import tree as tree_lib
from jaxlrm.search.base import Strategy
from jaxlrm.search.retry import TRIES
from jaxlrm.search.tree import Steps, Tree, at, mark, pairs

_REBASE_TEMPERATURE = 0.2  # as in the paper's code


def build(config: SearchConfig, *, by_step: bool = False) -> Strategy:
    """The strategy that a configuration names.

    A name `module:function` is that of a function `SearchConfig -> Strategy`
    from outside the package.

    Args:
        config: of the search.
        by_step: whether learned verifiers have to be asked step by step.

    Raises:
        ValueError: its `chain_tokens` are left to a model to decide, or there
            is no such function.
    """
    if not config.chain_tokens:
        raise ValueError("chain_tokens is 0; say how long a chain may get")
    greedy = config.strategy == "greedy"
    temperature = 0.0 if greedy else config.temperature
    same = config.strategy in WHOLE and temperature == 0  # in all branches
    config = dataclasses.replace(
        config,
        temperature=temperature,
        branches=1 if same else config.branches,
        # Where nothing is known of what ends a step.
        step_tokens=config.step_tokens or min(LINE, config.chain_tokens),
    )
    make = _BY_NAME.get(config.strategy, _from_outside)
    strategy = make(config)
    # Chains are written step by step for scores of their steps, or for a tool
    # that writes between two of them.
    scored = config.strategy in ("best_of_n", "weighted")
    by_step = scored and (by_step or config.aggregate != "last")
    if strategy.whole and (by_step or config.tools == "python"):
        vote = strategy.vote
        strategy = sequential(config, veto=False)._replace(vote=vote)
    if config.retry and strategy.waits:
        strategy = retry.second_tries(strategy)
        if config.strategy == "beam":
            strategy = retry.going_back(strategy)
    if config.vote != "auto":
        strategy = strategy._replace(vote=config.vote)
    return strategy


def _from_outside(config: SearchConfig) -> Strategy:
    module, _, name = config.strategy.partition(":")
    try:
        strategy = getattr(importlib.import_module(module), name)(config)
    except Exception as error:  # whatever the module and the function do
        raise ValueError(
            f"strategy {config.strategy!r} failed: {type(error).__name__}: "
            f"{error}; it must name a function of a module on sys.path"
        ) from error
    if not isinstance(strategy, Strategy):
        raise ValueError(
            f"strategy {config.strategy!r} returned {strategy!r}; it must "
            "return a jaxlrm.search.base.Strategy"
        )
    return strategy


def stepwise(config: SearchConfig, **fields) -> Strategy:
    """A strategy that writes step by step, of the sizes of `config`.

    Args:
        config: of the search.
        **fields: of `Strategy`; `select` at least. Without `keep` all sound
            steps are.
    """
    outputs = 0
    if config.tools == "python":
        outputs = config.output_tokens or LINE
    settings = {
        "keep": lambda tree, steps: steps.sound,
        "branches": config.branches,
        "groups": config.branches,
        "nodes": 1 + config.branches * config.rounds,
        "step_tokens": config.step_tokens + outputs,
        "output_tokens": outputs,
        "aggregate": config.aggregate,
        "checked": config.verifiers in CHECKED,
        "limits": limits.of(config),
    }
    return Strategy(**{**settings, **fields})


def whole(config: SearchConfig, vote: str) -> Strategy:
    """Whole chains, each begun when a row is free.

    Where tokens are limited, others make up for chains that were cut.
    """
    branches = config.branches

    def choose(tree: Tree, idle: jax.Array) -> jax.Array:
        begun = tree.children[0]
        answered = jnp.where(tree.answers, tree.count, 0).sum()
        spare = begun + branches - answered - (~idle).sum()
        most = jnp.minimum(spare, TRIES * branches)
        limited = tree.limits.tokens < UNLIMITED
        most = jnp.where(limited, most, branches)
        begins = idle & (begun + jnp.cumsum(idle) <= most) & tree.live[0]
        return jnp.where(begins, 0, -1)

    return stepwise(
        config,
        groups=1,
        nodes=1 + 2 * branches,
        step_tokens=config.chain_tokens,
        output_tokens=0,
        select=choose,
        stay=lambda tree, steps, keep: tree.live,
        vote=vote,
        waits=False,
        whole=True,
        aggregate="last",
        limits=limits.of(config, whole=True),
    )


def beam(config: SearchConfig) -> Strategy:
    """Step-level beam search with a fixed number of rows (Snell et al. 2024).

    Each round the best steps survive, as many as fill the beam's `B / width`
    places, and share the rows of the next round. A step that `n` rows wrote,
    merged into one, wants `n / width` places, rounded up, and is ranked by
    them too (`select.worth`). A finished chain leaves the beam and waits for
    the vote.
    """
    beams = config.branches // config.width

    def keep(tree: Tree, steps: Steps) -> jax.Array:
        value, valid = worth(config, steps), steps.valid.astype(jnp.int32)
        return select.best(
            steps.sound, value, valid, steps.count, beams, config.width
        )

    return stepwise(
        config,
        groups=beams,
        nodes=1 + beams * config.rounds,
        keep=keep,
        select=partial(select.spread_over_live, groups=beams),
        enough=lambda tree: tree.answers.sum() >= beams,
    )


def dvts(config: SearchConfig) -> Strategy:
    """Diverse verifier tree search (Beeching, Tunstall and Rush 2024).

    `B / width` subtrees that never meet: each writes `width` steps and keeps
    the best. When that is an answer the subtree ends, and all its answers of
    that round are candidates.
    """
    subtrees = config.branches // config.width

    def keep(tree: Tree, steps: Steps) -> jax.Array:
        value = jnp.where(steps.sound, worth(config, steps), -jnp.inf)
        value = value.reshape(subtrees, config.width)
        # Ties go to the lower row.
        best = jnp.arange(config.width) == value.argmax(-1, keepdims=True)
        best = best.reshape(-1) & steps.sound
        answers = steps.sound & steps.answers
        ended = (pairs(steps.group) & (best & answers)).any(-1)
        return jnp.where(ended, answers, best)

    return stepwise(
        config,
        groups=subtrees,
        keep=keep,
        select=partial(select.by_group, groups=subtrees),
        group=tuple(row // config.width for row in range(config.branches)),
    )


def rebase(config: SearchConfig) -> Strategy:
    """Reward-balanced search (Wu et al. 2024, "Inference scaling laws").

    All sound steps are kept, and share the rows that no finished chain has
    taken, by the softmax of their scores.
    """

    def left(tree: Tree) -> jax.Array:
        answers = jnp.where(tree.answers, tree.count, 0)
        return jnp.maximum(config.branches - answers.sum(), 0)

    return stepwise(
        config,
        select=lambda tree, idle: select.by_softmax(
            tree, idle, left(tree), _REBASE_TEMPERATURE
        ),
        enough=lambda tree: left(tree) == 0,
        votes=config.branches,
    )


def mcts(config: SearchConfig) -> Strategy:
    """Monte-Carlo tree search over steps.

    Each round `B / width` walks down the tree end at leaves, which get `width`
    children each. A simulation that expands a leaf finds the leaf's score, or
    0 if nothing sound was written; one that ends a chain finds its score, or 0
    if it was refuted. So verdicts guide it from the ends: a proof ends the
    search, and what leads to refuted steps is worth less.
    """
    walks = config.branches // config.width

    def learn(tree: Tree, steps: Steps, nodes: jax.Array) -> Tree:
        leaders = steps.leaf[:: config.width]
        grown = (leaders[:, None] == steps.leaf) & steps.sound
        found = jnp.where(grown.any(-1), at(tree.score, leaders), 0.0)
        tree = tree_lib.backup(tree, leaders, found)
        refuted = steps.verdict == tree_lib.INVALID
        ended = jnp.where(refuted, steps.leaf, nodes)
        ended = jnp.where(steps.answers & steps.first, ended, -1)
        found = jnp.where(refuted, 0.0, steps.score)
        return tree_lib.backup(tree, ended, found)

    return stepwise(
        config,
        groups=walks,
        select=partial(select.descend, groups=walks),
        stay=lambda tree, steps, keep: tree.live & ~mark(tree, steps.leaf),
        learn=learn,
        enough=lambda tree: tree.answers.sum() >= config.branches,
        keeps_all=True,
    )


def sequential(config: SearchConfig, veto: bool = True) -> Strategy:
    """Chains that never meet, and take back a step found INVALID.

    Each row thinks on by itself: a sound step is kept, after a wrong one it
    tries again from where it was; without `veto` it goes on from that. With
    one row this is thinking longer on one chain.
    """
    rows = config.branches

    def keep(tree: Tree, steps: Steps) -> jax.Array:
        wrong = steps.verdict == tree_lib.INVALID
        return (steps.leaf >= 0) & ~(wrong & veto)

    def stay(tree: Tree, steps: Steps, keep: jax.Array) -> jax.Array:
        past = keep & (steps.leaf > 0)
        return tree.live & ~mark(tree, jnp.where(past, steps.leaf, -1))

    return stepwise(
        config,
        keep=keep,
        select=partial(select.by_group, groups=rows),
        stay=stay,
        group=tuple(range(rows)),
        waits=False,
        votes=rows,
    )


def worth(config: SearchConfig, steps: Steps) -> jax.Array:
    """How much each step is to be preferred, see `select.worth`.

    A proof outranks all else, since it ends the search. Without scores all
    steps are worth the same: a VALID one comes before one that many wrote.
    """
    scored = config.verifiers in SCORED
    value = select.worth(steps.score, steps.count if scored else 1)
    return jnp.where(steps.answers & steps.valid, jnp.inf, value)


_BY_NAME: dict[str, Callable[[SearchConfig], Strategy]] = {
    "greedy": partial(whole, vote="count"),
    "majority": partial(whole, vote="count"),
    "best_of_n": partial(whole, vote="best"),
    "weighted": partial(whole, vote="sum"),
    "beam": beam,
    "dvts": dvts,
    "rebase": rebase,
    "mcts": mcts,
    "sequential": sequential,
}
