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
| mcts, uct | a step         | all, for good        | score                |
| sequential| a step         | each chain's own     | score                |

Their functions are of one problem. What is the same for all stands in
`loop.py`: a step found INVALID is dropped, equal steps are merged, budgets are
charged, a proof ends the search.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxlrm import limits
from jaxlrm.config import CHECKED, LINE, SCORED, WHOLE, SearchConfig
from jaxlrm.limits import UNLIMITED, Limits
from jaxlrm.search import aggregate, backup, retry, select, vote
from jaxlrm.search import tree as tree_lib
from jaxlrm.search.aggregate import Aggregate
from jaxlrm.search.retry import TRIES
from jaxlrm.search.tree import Steps, Tree, at, mark, pairs

Keep = Callable[[Tree, Steps], jax.Array]
Select = Callable[[Tree, jax.Array], jax.Array]
# tree, steps, keep [R] -> live [N]
Stay = Callable[[Tree, Steps, jax.Array], jax.Array]
# tree, steps, node of each [R] -> tree
Learn = Callable[[Tree, Steps, jax.Array], Tree]

_REBASE_TEMPERATURE = 0.2  # as in the paper's code


class Strategy(NamedTuple):
    """What makes a search this search and not another.

    Attributes:
        branches: `B`, chains; a round writes in as many rows, or fewer where
            chains are whole.
        groups: `W`, leaves that a round may extend.
        step_tokens: `S`, most tokens of a step, those of a tool before it
            included.
        output_tokens: `O`, most of them that are a tool's.
        nodes: `N`, most nodes of a tree.
        keep: `(tree, steps) -> [R] bool`, which steps become nodes.
        select: `(tree, idle) -> [R] int32`, the node that each idle row is to
            extend, or -1; those first that are to go on where tokens run
            short. When it has none for any row, the search ends.
        stay: `(tree, steps, keep) -> [N] bool`, which nodes of before may
            still be extended; by default none.
        learn: `(tree, steps, nodes) -> tree`, what else is noted once the
            kept steps are in the tree.
        enough: `tree -> bool`, enough answers were found.
        weigh: of each candidate chain in the vote.
        group: `[R]`, the subtree that each row belongs to: steps of different
            ones are never merged. None is one.
        waits: a row that has ended its step waits for the others of its
            problem before it is judged and goes on.
        goes_back: where no step is left to extend and the search is not
            done, it goes back to an earlier step.
        whole: rows write whole chains: only the end of an answer ends a step,
            and nothing is extended.
        votes: most chains that can end, duplicates counted, if all of them are
            kept; 0 if it is not known.
        aggregate: the score of a chain out of those of its steps.
        scored: whether scores are asked for.
        checked: whether an answer can be proven, which ends the search.
        keeps_all: every node may be extended until the search ends, so a cache
            that cannot grow has to hold them all.
        limits: of a problem that has none of its own. A strategy reads those
            of a problem in its tree, so that one compiled for these serves for
            others; by default they are the configuration's.
    """

    branches: int
    groups: int
    step_tokens: int
    output_tokens: int
    nodes: int
    keep: Keep
    select: Select
    stay: Stay = lambda tree, steps, keep: jnp.zeros_like(tree.live)
    learn: Learn = lambda tree, steps, nodes: tree
    enough: Callable[[Tree], jax.Array] = lambda tree: jnp.zeros((), bool)
    weigh: vote.Weigh = vote.score_sum
    group: tuple[int, ...] | None = None
    waits: bool = True
    goes_back: bool = False
    whole: bool = False
    votes: int = 0
    aggregate: Aggregate = aggregate.last
    scored: bool = True
    checked: bool = True
    keeps_all: bool = False
    limits: Limits | None = None


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
    if not config.step_tokens:  # nothing is known of what ends a step
        config = dataclasses.replace(
            config, step_tokens=min(LINE, config.chain_tokens)
        )
    if config.strategy == "greedy":
        config = dataclasses.replace(config, temperature=0.0)
    if config.strategy in WHOLE and config.temperature == 0:
        # Other branches would be the same.
        config = dataclasses.replace(config, branches=1)
    if ":" in config.strategy:
        strategy = _from_outside(config)
    else:
        strategy = _BY_NAME[config.strategy](config)
    if strategy.whole and _by_step(config, by_step):
        weigh = strategy.weigh
        strategy = sequential(config, veto=False)._replace(weigh=weigh)
    if strategy.limits is None:
        own = limits.of(config, whole=strategy.whole)
        strategy = strategy._replace(limits=own)
    if config.vote == "auto":
        return strategy
    return strategy._replace(weigh=vote.BY_NAME[config.vote])


def _by_step(config: SearchConfig, by_step: bool) -> bool:
    """Whether chains that are kept whole are written step by step.

    For scores of their steps, or for a tool that writes between two of them.
    """
    scored = config.strategy in ("best_of_n", "weighted")
    stepwise = by_step or config.aggregate != "last"
    return config.tools == "python" or (scored and stepwise)


def _from_outside(config: SearchConfig) -> Strategy:
    module, _, name = config.strategy.partition(":")
    try:
        make = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"strategy {config.strategy!r} cannot be imported: {error}; it "
            "must name a function of a module on sys.path"
        ) from error
    try:
        strategy = make(config)
    except Exception as error:  # whatever the function does
        raise ValueError(
            f"strategy {config.strategy!r} raised {type(error).__name__}: "
            f"{error}"
        ) from error
    if not isinstance(strategy, Strategy):
        raise ValueError(
            f"strategy {config.strategy!r} returned {strategy!r}; it must "
            "return a jaxlrm.search.strategies.Strategy"
        )
    return strategy


def stepwise(config: SearchConfig, **fields) -> Strategy:
    """A strategy that writes step by step, of the sizes of `config`.

    Args:
        config: of the search.
        **fields: of `Strategy`, those that have no default among them.
    """
    outputs = 0
    if config.tools == "python":
        outputs = config.output_tokens or LINE
    settings = {
        "branches": config.branches,
        "nodes": 1 + config.branches * config.rounds,
        "step_tokens": config.step_tokens + outputs,
        "output_tokens": outputs,
        "aggregate": aggregate.BY_NAME[config.aggregate],
        "scored": config.verifiers in SCORED,
        "checked": config.verifiers in CHECKED,
        "limits": limits.of(config),
    }
    return Strategy(**{**settings, **fields})


def whole(config: SearchConfig, weigh: vote.Weigh) -> Strategy:
    """Whole chains, each begun when a row is free.

    Where tokens are limited, others make up for chains that were cut.
    """
    branches = config.branches

    def choose(tree: Tree, idle: jax.Array) -> jax.Array:
        answered = jnp.where(tree.answers, tree.count, 0).sum()
        begun = tree.children[0]
        spare = begun + branches - answered - (~idle).sum()
        limited = tree.limits.tokens < UNLIMITED
        most = jnp.where(
            limited, jnp.minimum(spare, TRIES * branches), branches
        )
        number = begun + jnp.cumsum(idle) - 1
        begins = idle & (number < most) & tree.live[0]
        return jnp.where(begins, 0, -1)

    return stepwise(
        config,
        groups=1,
        nodes=1 + 2 * branches,
        step_tokens=config.chain_tokens,
        output_tokens=0,
        keep=lambda tree, steps: steps.sound,
        select=choose,
        stay=lambda tree, steps, keep: tree.live,
        weigh=weigh,
        waits=False,
        whole=True,
        votes=branches,
        aggregate=aggregate.last,
        limits=limits.of(config, whole=True),
    )


def beam(config: SearchConfig) -> Strategy:
    """Step-level beam search with a fixed number of rows.

    Each round the best steps (`select.worth`) survive, as many as fill the
    beam's `B / width` places (a step that `n` rows wrote wants `n / width` of
    them, rounded up), and share the rows of the next round (Snell et al.
    2024). A finished chain leaves the beam and waits for the vote. A round
    without a sound step is tried again; when no step survives, and no answer
    is proven (or, without checks, none was found), the beam goes back to an
    earlier step, and on from there with others than before, see `retry`.
    """
    beams = config.branches // config.width

    def keep(tree: Tree, steps: Steps) -> jax.Array:
        new = steps.sound & ~steps.known
        # Back at the problem it begins again with the same, if need be.
        again = steps.sound & (steps.leaf == 0) & ~new.any()
        value, valid = worth(config, steps), steps.valid.astype(jnp.int32)
        return select.best(
            new | again, value, valid, steps.count, beams, config.width
        )

    return stepwise(
        config,
        groups=beams,
        nodes=1 + beams * config.rounds,
        keep=keep,
        select=lambda tree, idle: select.spread_over_live(
            tree, config.branches, beams
        ),
        stay=_retried,
        enough=lambda tree: tree.answers.sum() >= beams,
        goes_back=True,
    )


def dvts(config: SearchConfig) -> Strategy:
    """Diverse verifier tree search (Beeching, Tunstall and Rush 2024).

    `B / width` subtrees that never meet: each writes `width` steps and keeps
    the best. When that is an answer the subtree ends, and all its answers of
    that round are candidates; so does a subtree that finds no sound step in
    `TRIES` rounds. One whose first step was not sound begins again.
    """
    subtrees = config.branches // config.width
    group = tuple(row // config.width for row in range(config.branches))
    mates = pairs(np.array(group))

    def keep(tree: Tree, steps: Steps) -> jax.Array:
        value = jnp.where(steps.sound, worth(config, steps), -jnp.inf)
        value = value.reshape(subtrees, config.width)
        best = value == value.max(-1, keepdims=True)
        best &= jnp.cumsum(best, -1) == 1  # ties go to the lower row
        best = best.reshape(-1) & steps.sound
        answers = steps.sound & steps.answers
        ended = (mates & (best & answers)).any(-1)
        return jnp.where(ended, answers, best)

    def stay(tree: Tree, steps: Steps, keep: jax.Array) -> jax.Array:
        # All subtrees share the root, so its children do not tell how often
        # one of them has begun.
        again = retry.leaves(tree, steps, mates, steps.sound)
        return again.at[0].set(tree.rounds < TRIES)

    return stepwise(
        config,
        groups=subtrees,
        keep=keep,
        select=lambda tree, idle: select.by_group(
            tree, config.branches, subtrees
        ),
        stay=stay,
        group=group,
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
        groups=config.branches,
        keep=lambda tree, steps: steps.sound,
        select=lambda tree, idle: select.by_softmax(
            tree, config.branches, left(tree), _REBASE_TEMPERATURE
        ),
        stay=_retried,
        enough=lambda tree: left(tree) == 0,
        votes=config.branches,
    )


def mcts(config: SearchConfig, rule: select.Rule = select.puct) -> Strategy:
    """Monte-Carlo tree search over steps.

    Each round `B / width` walks down the tree end at leaves, which get `width`
    children each. A simulation that expands a leaf finds the leaf's score, or
    0 if nothing sound was written; one that ends a chain finds its score, or 0
    if it was refuted. So verdicts guide it from the ends: a proof ends the
    search, and what leads to refuted steps is worth less. A leaf without a
    sound child may be tried again, as often as in `TRIES` rounds of as many
    walks.
    """
    walks = config.branches // config.width

    def stay(tree: Tree, steps: Steps, keep: jax.Array) -> jax.Array:
        mates = pairs(steps.leaf)
        again = retry.leaves(tree, steps, mates, keep)
        walked = mark(tree.live.shape[0], steps.leaf, steps.leaf >= 0)
        return tree.live & (~walked | again)

    def learn(tree: Tree, steps: Steps, nodes: jax.Array) -> Tree:
        leaders = steps.leaf[:: config.width]
        grown = (leaders[:, None] == steps.leaf) & steps.sound
        found = jnp.where(grown.any(-1), at(tree.score, leaders), 0.0)
        tree = backup.mean(tree, leaders, found)
        refuted = steps.verdict == tree_lib.INVALID
        ended = jnp.where(refuted, steps.leaf, nodes)
        ended = jnp.where(steps.answers & steps.first, ended, -1)
        return backup.mean(tree, ended, jnp.where(refuted, 0.0, steps.score))

    return stepwise(
        config,
        groups=walks,
        keep=lambda tree, steps: steps.sound,
        select=lambda tree, idle: select.descend(
            tree, config.branches, walks, rule
        ),
        stay=stay,
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
        past = mark(tree.live.shape[0], steps.leaf, keep & (steps.leaf > 0))
        return tree.live & ~past

    return stepwise(
        config,
        groups=rows,
        keep=keep,
        select=lambda tree, idle: jnp.where(
            idle, select.by_chain(tree, rows), -1
        ),
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


def _retried(tree: Tree, steps: Steps, keep: jax.Array) -> jax.Array:
    """No node of before is extended again, save to have another try."""
    rows = steps.leaf.shape[0]
    mates = jnp.ones((rows, rows), bool)
    return retry.leaves(tree, steps, mates, steps.sound)


_BY_NAME: dict[str, Callable[[SearchConfig], Strategy]] = {
    "greedy": functools.partial(whole, weigh=vote.count),
    "majority": functools.partial(whole, weigh=vote.count),
    "best_of_n": functools.partial(whole, weigh=vote.best),
    "weighted": functools.partial(whole, weigh=vote.score_sum),
    "beam": beam,
    "dvts": dvts,
    "rebase": rebase,
    "mcts": mcts,
    "uct": functools.partial(mcts, rule=select.uct),
    "sequential": sequential,
}
