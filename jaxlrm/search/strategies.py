"""Strategies: records of pure functions that the one loop calls.

| name      | a round writes | kept                 | an answer's weight   |
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

A step found INVALID is dropped everywhere; without a symbolic verifier none is.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxlrm import limits
from jaxlrm.config import CHECKED, LINE, SCORED, SearchConfig
from jaxlrm.limits import UNLIMITED, Limits
from jaxlrm.search import aggregate, backup, select, tree, vote
from jaxlrm.search.aggregate import Aggregate
from jaxlrm.search.tree import ANSWER, Tree, Twigs

# tree -> leaf [G, B], ordinal [G, B]
Select = Callable[[Tree], tuple[jax.Array, jax.Array]]
# tree, twigs, verdict [G, B] -> tree, node of each twig [G, B] or -1
Update = Callable[[Tree, Twigs, jax.Array], tuple[Tree, jax.Array]]


_REBASE_TEMPERATURE = 0.2  # as in the paper's code
_NOWHERE = 1 << 30  # the number of no node
TRIES = 8  # rounds of children that all are wrong before a leaf is let go


class Strategy(NamedTuple):
    """What makes a search this search and not another.

    Attributes:
        branches: `B`.
        groups: `W`, leaves that a round may extend.
        step_tokens: `S`, most tokens a round writes in a branch, those of a
            tool before them included.
        output_tokens: `O`, most of them that are a tool's.
        nodes: `N`, most nodes of a problem's tree.
        whole: a round writes whole chains: only the end of an answer ends
            a step.
        select: which nodes the next round extends, those first that are to go
            on where tokens run short; none ends the search.
        update: what of the last round is kept.
        vote: weight of each candidate chain in the vote.
        votes: most chains that can end, duplicates counted, if all of them are
            kept; 0 if it is not known.
        aggregate: the score of a chain out of those of its steps.
        keeps_all: every node may be extended until the search ends, so a cache
            that cannot grow has to hold them all.
        limits: of a problem that has none of its own. A strategy reads
            those of a problem in its tree, so that one compiled for these
            serves for others; by default they are the configuration's.
    """

    branches: int
    groups: int
    step_tokens: int
    output_tokens: int
    nodes: int
    whole: bool
    select: Select
    update: Update
    vote: vote.Weigh
    votes: int = 0
    aggregate: Aggregate = aggregate.last
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
    strategy = _build(config, by_step)
    if strategy.limits is None:
        own = limits.of(config, whole=strategy.whole)
        strategy = strategy._replace(limits=own)
    if config.vote == "auto":
        return strategy
    return strategy._replace(vote=vote.BY_NAME[config.vote])


def _build(config: SearchConfig, by_step: bool) -> Strategy:
    if ":" in config.strategy:
        return _from_outside(config)
    stepwise = {
        "beam": _beam,
        "dvts": _dvts,
        "rebase": _rebase,
        "mcts": functools.partial(_mcts, rule=select.puct),
        "uct": functools.partial(_mcts, rule=select.uct),
        "sequential": _sequential,
    }
    if config.strategy in stepwise:
        return stepwise[config.strategy](config)
    weigh = {
        "greedy": vote.count,
        "majority": vote.count,
        "best_of_n": vote.best,
        "weighted": vote.score_sum,
    }[config.strategy]
    if config.strategy == "greedy":
        config = dataclasses.replace(config, temperature=0.0)
    if config.temperature == 0:  # other branches would be the same
        config = dataclasses.replace(config, branches=1)
    scored = config.strategy in ("best_of_n", "weighted")
    stepwise = scored and (by_step or config.aggregate != "last")
    if stepwise or config.tools == "python":  # which writes between two steps
        chains = _sequential(config, veto=False)
        return chains._replace(vote=weigh)
    return _whole(config)._replace(vote=weigh)


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


def _whole(config: SearchConfig) -> Strategy:
    """Whole chains, in one round.

    Where tokens are limited, some of the branches are stopped in the middle of
    their chains. What those that ended left over then starts others in their
    place, in further rounds.
    """
    branches = config.branches

    def update(trees: Tree, twigs: Twigs, verdict):
        first, count = tree.first_of_equals(twigs)
        keep = first & (verdict != tree.INVALID)
        keep &= (twigs.kind == ANSWER) | (trees.rounds <= 1)[:, None]
        trees, nodes = tree.add(trees, twigs, keep, verdict, count)
        ran = (twigs.leaf >= 0).any(1)
        limited = (trees.limits.tokens < UNLIMITED) & (branches > 1)
        again = trees.rounds < jnp.where(limited, TRIES, 1)
        again &= (ended(trees) < branches) & (trees.spent < trees.limits.tokens)
        again &= ~_proven(trees)
        root = jnp.arange(trees.live.shape[1]) == 0
        live = jnp.where(ran[:, None], root & again[:, None], trees.live)
        return trees.replace(live=live), nodes

    def ended(trees: Tree) -> jax.Array:
        return jnp.where(trees.kind == ANSWER, trees.count, 0).sum(1)

    def choose(trees: Tree):
        leaf, ordinal = select.spread_over_live(trees, branches, 1)
        to_come = branches - ended(trees)[:, None]
        return jnp.where(jnp.arange(branches) < to_come, leaf, -1), ordinal

    return Strategy(
        branches=branches,
        groups=1,
        step_tokens=config.chain_tokens,
        output_tokens=0,
        nodes=1 + 2 * branches,  # in part of a round, and again what is left
        whole=True,
        select=choose,
        update=update,
        vote=vote.count,
        votes=branches,
        limits=limits.of(config, whole=True),
    )


def _beam(config: SearchConfig) -> Strategy:
    """Step-level beam search with a fixed number of branches.

    Each round the best steps (`select.worth`) survive, as many as fill the
    beam's `B / width` places (a step that `n` branches wrote wants `n / width`
    of them, rounded up), and share the `B` branches of the next round. A
    finished chain leaves the beam and waits for the vote, so no branch is spent
    on it. A round without a sound step (`_sound`) is tried again. When no step
    survives or fits into `chain_tokens`, and nothing is proven that a symbolic
    verifier could prove or, without one, no chain has finished, the beam goes
    back to an earlier step (`_backtrack`) and on from there with others than
    before (as in complete anytime beam search, Zhang 1998); back at the problem
    it begins again with the same ones if there are no others. The search of a
    problem ends when `B / width` chains have finished, when one was proven (its
    verdict is VALID), or when the rounds or tokens are spent.
    """
    beams = config.branches // config.width

    def update(trees: Tree, twigs: Twigs, verdict):
        first, count = tree.first_of_equals(twigs)
        sound = first & (verdict != tree.INVALID)
        new = sound & ~tree.has_child(trees, twigs)
        again = sound & (twigs.leaf == 0) & ~new.any(1, keepdims=True)
        keep = select.best(
            new | again,
            _worth(config, twigs, verdict, count),
            (verdict == tree.VALID).astype(jnp.int32),
            count,
            beams,
            config.width,
        )
        trees = _leave(trees, twigs, sound)
        trees, nodes = tree.add(trees, twigs, keep, verdict, count)
        enough = (trees.kind == ANSWER).sum(1) >= beams
        trees = _end(trees, config, enough)
        stuck = ~trees.live.any(1) & ~_done(trees, config, enough)
        if config.verifiers not in CHECKED:  # none is proven
            stuck &= ~(trees.kind == ANSWER).any(1)
        return _backtrack(trees, twigs, stuck, config), nodes

    return _stepwise(
        config,
        groups=beams,
        nodes=1 + beams * config.rounds,
        select=lambda tree: select.spread_over_live(
            tree, config.branches, beams
        ),
        update=update,
    )


def _dvts(config: SearchConfig) -> Strategy:
    """Diverse verifier tree search (Beeching, Tunstall and Rush 2024).

    `B / width` subtrees that never meet: each writes `width` steps and keeps
    the best. When that is an answer the subtree ends, and all its answers of
    that round are candidates; so does a subtree that finds no sound step in
    `TRIES` rounds. One whose first step was not sound begins again.
    """
    subtrees = config.branches // config.width
    group = jnp.arange(config.branches) // config.width

    def update(trees: Tree, twigs: Twigs, verdict):
        first, count = tree.first_of_equals(twigs, group)
        sound = first & (verdict != tree.INVALID)
        worth = _worth(config, twigs, verdict, count)
        worth = jnp.where(sound, worth, -jnp.inf)
        worth = worth.reshape(len(worth), subtrees, config.width)
        best = worth == worth.max(-1, keepdims=True)
        best &= jnp.cumsum(best, -1) == 1  # ties go to the lower branch
        best = best.reshape(sound.shape) & sound
        answers = sound & (twigs.kind == ANSWER)
        ended = (best & answers).reshape(len(best), subtrees, config.width)
        ended = jnp.repeat(ended.any(-1), config.width, 1)
        keep = jnp.where(ended, answers, best)
        trees = _leave(trees, twigs, sound, group)
        # All subtrees share the root, so its children do not tell how often
        # one of them has begun.
        ran = (twigs.leaf >= 0).any(1)
        begin = jnp.where(ran, trees.rounds < TRIES, trees.live[:, 0])
        trees = trees.replace(live=trees.live.at[:, 0].set(begin))
        trees, nodes = tree.add(trees, twigs, keep, verdict, count, group)
        return _end(trees, config, False), nodes

    return _stepwise(
        config,
        groups=subtrees,
        nodes=1 + config.branches * config.rounds,
        select=lambda tree: select.by_group(tree, config.branches, subtrees),
        update=update,
    )


def _rebase(config: SearchConfig) -> Strategy:
    """Reward-balanced search (Wu et al. 2024, "Inference scaling laws").

    All sound steps are kept, and share the branches that no finished chain
    has taken, by the softmax of their scores.
    """

    def budget(trees: Tree) -> jax.Array:
        answers = jnp.where(trees.kind == ANSWER, trees.count, 0)
        return jnp.maximum(config.branches - answers.sum(1), 0)

    def update(trees: Tree, twigs: Twigs, verdict):
        first, count = tree.first_of_equals(twigs)
        keep = first & (verdict != tree.INVALID)
        trees = _leave(trees, twigs, keep)
        trees, nodes = tree.add(trees, twigs, keep, verdict, count)
        return _end(trees, config, budget(trees) == 0), nodes

    return _stepwise(
        config,
        groups=config.branches,
        nodes=1 + config.branches * config.rounds,
        select=lambda tree: select.by_softmax(
            tree, config.branches, budget(tree), _REBASE_TEMPERATURE
        ),
        update=update,
        votes=config.branches,
    )


def _mcts(config: SearchConfig, rule: select.Rule) -> Strategy:
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
    carry = backup.mean

    def update(trees: Tree, twigs: Twigs, verdict):
        first, count = tree.first_of_equals(twigs)
        keep = first & (verdict != tree.INVALID)
        leaders = twigs.leaf[:, :: config.width]
        grown = _any_child(leaders, twigs.leaf, keep)
        found = jnp.where(grown, tree.at(trees.score, leaders), 0.0)
        trees = carry(trees, leaders, found)
        walked = (leaders[:, :, None] == leaders[:, None, :]).sum(-1)
        tried = tree.at(trees.children, leaders)
        tried = tried >= TRIES * config.width * walked
        over = jnp.where((grown | tried) & (leaders >= 0), leaders, _NOWHERE)
        live = tree.put(trees.live, over, jnp.zeros(over.shape, bool))
        trees = trees.replace(live=live)
        trees, nodes = tree.add(trees, twigs, keep, verdict, count)
        answers = first & (twigs.kind == ANSWER)
        refuted = answers & (verdict == tree.INVALID)
        ended = jnp.where(answers, jnp.where(refuted, twigs.leaf, nodes), -1)
        trees = carry(trees, ended, jnp.where(refuted, 0.0, twigs.score))
        enough = (trees.kind == ANSWER).sum(1) >= config.branches
        trees = _end(trees, config, enough)
        changed = jnp.where(nodes < 0, twigs.leaf, nodes)
        return tree.refresh(trees, changed), nodes

    return _stepwise(
        config,
        groups=walks,
        nodes=1 + config.branches * config.rounds,
        select=lambda tree: select.descend(tree, config.branches, walks, rule),
        update=update,
        keeps_all=True,
    )


def _sequential(config: SearchConfig, veto: bool = True) -> Strategy:
    """Chains that never meet, and take back a step found INVALID.

    Each branch thinks on by itself: a sound step is kept, after a wrong one
    it tries again from where it was; without `veto` it goes on from that.
    With one branch this is thinking longer on one chain.
    """
    group = jnp.arange(config.branches)

    def update(trees: Tree, twigs: Twigs, verdict):
        _, count = tree.first_of_equals(twigs, group)
        keep = twigs.leaf >= 0
        if veto:
            keep &= verdict != tree.INVALID
        past = jnp.where(keep & (twigs.leaf > 0), twigs.leaf, _NOWHERE)
        live = tree.put(trees.live, past, jnp.zeros(past.shape, bool))
        trees = trees.replace(live=live)
        trees, nodes = tree.add(trees, twigs, keep, verdict, count, group)
        return _end(trees, config, False), nodes

    return _stepwise(
        config,
        groups=config.branches,
        nodes=1 + config.branches * config.rounds,
        select=lambda tree: select.by_chain(tree, config.branches),
        update=update,
        votes=config.branches,
    )


def _backtrack(
    trees: Tree, twigs: Twigs, stuck: jax.Array, config: SearchConfig
) -> Tree:
    """Where a beam is `stuck [G]`, one node of its last paths is live again.

    It is the one that the fewest branches have extended, of several the latest:
    the beam goes back one step after another, to the problem in the end, which
    may be tried for as long as the budgets last. The cache holds these paths,
    since their leaves were live until now.
    """
    active = jnp.where(twigs.leaf >= 0, twigs.leaf, _NOWHERE)
    leaves = jnp.zeros_like(trees.live)
    leaves = tree.put(leaves, active, twigs.leaf >= 0)
    able = tree.has_live_descendant(trees.replace(live=leaves))
    able &= (trees.kind == tree.STEP) | (trees.kind == tree.OPEN)
    able &= _fits(trees)
    number = jnp.arange(able.shape[1])
    able &= (number == 0) | (trees.children < TRIES * config.branches)
    fewest = jnp.where(able, trees.children, _NOWHERE)
    latest = jnp.where(fewest == fewest.min(1, keepdims=True), number, -1)
    one = able & (number == latest.max(1, keepdims=True))
    return trees.replace(live=trees.live | (stuck[:, None] & one))


def _any_child(leaders, leaf, keep) -> jax.Array:
    """`[G, W] bool`: was a step kept that extends the leader?"""
    same = leaders[:, :, None] == leaf[:, None, :]
    return (same & keep[:, None]).any(-1)


def _outputs(config: SearchConfig) -> int:
    runs = config.tools == "python"
    return (config.output_tokens or LINE) if runs else 0


def _stepwise(config: SearchConfig, **fields) -> Strategy:
    return Strategy(
        branches=config.branches,
        step_tokens=config.step_tokens + _outputs(config),
        output_tokens=_outputs(config),
        whole=False,
        aggregate=aggregate.BY_NAME[config.aggregate],
        vote=vote.score_sum,
        limits=limits.of(config),
        **fields,
    )


def _worth(
    config: SearchConfig, twigs: Twigs, verdict: jax.Array, count: jax.Array
) -> jax.Array:
    """How much a step is to be preferred, see `select.worth`.

    A proof outranks all else, since it ends the search. Without scores all
    steps are worth the same: a VALID one comes before one that many wrote.
    """
    proof = (twigs.kind == ANSWER) & (verdict == tree.VALID)
    scored = config.verifiers in SCORED
    worth = select.worth(twigs.score, count if scored else 1)
    return jnp.where(proof, jnp.inf, worth)


def _leave(
    trees: Tree, twigs: Twigs, sound: jax.Array, group: jax.Array | int = 0
) -> Tree:
    """No node of before is extended again, save to have another try.

    Where no branch of a `group [B]` wrote a sound step, its leaves stay: other
    samples may be right. Each is tried as often as in `TRIES` rounds that
    share the group's branches among its leaves.
    """
    ran = (twigs.leaf >= 0).any(1, keepdims=True)
    group = jnp.broadcast_to(group, twigs.leaf.shape)

    def pairs(x):
        return x[:, :, None] == x[:, None, :]

    mates, active = pairs(group), twigs.leaf >= 0
    failed = ~(mates & sound[:, None]).any(-1)
    earlier = jnp.tri(group.shape[1], k=-1, dtype=bool)
    first = active & ~(pairs(twigs.leaf) & mates & earlier).any(-1)
    leaves = jnp.maximum((mates & first[:, None]).sum(-1), 1)
    tried = tree.at(trees.children, twigs.leaf)
    again = failed & active & (tried < TRIES * mates.sum(-1) // leaves)
    stays = tree.put(
        jnp.zeros_like(trees.live),
        jnp.where(again, twigs.leaf, _NOWHERE),
        again,
    )
    return trees.replace(live=jnp.where(ran, stays, trees.live))


def _end(trees: Tree, config: SearchConfig, enough) -> Tree:
    """Lets go of nodes that no token fits behind, or of all if done."""
    done = _done(trees, config, enough)
    live = trees.live & _fits(trees)
    return trees.replace(live=live & ~done[:, None])


def _fits(trees: Tree) -> jax.Array:
    """`[G, N] bool`: a chain has room for a token after the node.

    And for what a tool wrote after it. A step that finds too little room is
    cut where the chain's tokens end.
    """
    written = trees.end - trees.end[:, :1] + trees.output_length
    return written < trees.limits.chain_tokens[:, None]


def _done(trees: Tree, config: SearchConfig, enough) -> jax.Array:
    """`[G] bool`: an answer is proven, or the rounds or tokens are spent.

    Or `enough [G] bool` answers were found.
    """
    done = enough | (trees.rounds >= trees.limits.rounds)
    done |= trees.spent >= trees.limits.tokens
    if config.verifiers in CHECKED:
        done |= _proven(trees)
    return done


def _proven(trees: Tree) -> jax.Array:
    """`[G] bool`: the verdict on an answer is VALID."""
    valid = trees.verdict == tree.VALID
    return ((trees.kind == ANSWER) & valid).any(1)
