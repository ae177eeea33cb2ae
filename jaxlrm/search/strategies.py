"""Strategies: records of pure functions that the one loop calls.

| name      | a round writes | kept                 | an answer's weight   |
|-----------|----------------|----------------------|----------------------|
| greedy    | a whole chain  | the likeliest chain  | 1                    |
| majority  | whole chains   | all                  | 1                    |
| best_of_n | whole chains   | all                  | the best score's all |
| weighted  | whole chains   | all                  | score                |
| beam      | a step         | `B / width` places   | score                |

A step found INVALID is dropped everywhere; without a symbolic verifier no step
is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxlrm.config import SearchConfig
from jaxlrm.search import select, tree, vote
from jaxlrm.search.tree import ANSWER, Tree, Twigs

# tree -> leaf [G, B], ordinal [G, B]
Select = Callable[[Tree], tuple[jax.Array, jax.Array]]
# tree, twigs, verdict [G, B] -> tree, node of each twig [G, B] or -1
Update = Callable[[Tree, Twigs, jax.Array], tuple[Tree, jax.Array]]


class Strategy(NamedTuple):
    """What makes a search this search and not another.

    Attributes:
        branches: `B`.
        groups: `W`, leaves that a round may extend.
        step_tokens: `S`, most tokens a round writes in a branch.
        rounds: most rounds of a problem.
        nodes: `N`, most nodes of a problem's tree.
        greedy: take the likeliest token instead of sampling.
        whole: a round writes whole chains: only the end of an answer ends
            a step.
        select: which nodes the next round extends; none ends the search.
        update: what of the last round is kept.
        vote: weight of each candidate chain in the vote.
    """

    branches: int
    groups: int
    step_tokens: int
    rounds: int
    nodes: int
    greedy: bool
    whole: bool
    select: Select
    update: Update
    vote: vote.Weigh


def build(config: SearchConfig) -> Strategy:
    """The strategy that a configuration names."""
    if config.strategy == "beam":
        return _beam(config)
    branches = 1 if config.strategy == "greedy" else config.branches
    weigh = {
        "greedy": vote.count,
        "majority": vote.count,
        "best_of_n": vote.best,
        "weighted": vote.score_sum,
    }[config.strategy]
    return Strategy(
        branches=branches,
        groups=1,
        step_tokens=config.chain_tokens,
        rounds=1,
        nodes=1 + branches,
        greedy=config.strategy == "greedy",
        whole=True,
        select=lambda tree: select.spread_over_live(tree, branches, 1),
        update=_keep_all,
        vote=weigh,
    )


def _keep_all(trees: Tree, twigs: Twigs, verdict):
    """One round of whole chains: keep them all and end."""
    first, count = tree.first_of_equals(twigs)
    keep = first & (verdict != tree.INVALID)
    trees, nodes = tree.add(trees, twigs, keep, verdict, count)
    ran = (twigs.leaf >= 0).any(1, keepdims=True)
    return trees.replace(live=trees.live & ~ran), nodes


def _beam(config: SearchConfig) -> Strategy:
    """Step-level beam search with a fixed number of branches.

    Each round the best steps survive, as many as fill the beam's `B / width`
    places (a step that `n` branches wrote wants `n / width` of them, rounded
    up), and share the `B` branches of the next round. A finished chain leaves
    the beam and waits for the vote, so no branch is spent on it. The search of
    a problem ends when
    `B / width` chains have finished, when one was proven (its verdict is
    VALID), when no step survives or fits into `chain_tokens`, or when the
    rounds are spent.
    """
    beams = config.branches // config.width

    def update(trees: Tree, twigs: Twigs, verdict):
        first, count = tree.first_of_equals(twigs)
        sound = first & (verdict != tree.INVALID)
        # A proof outranks every score: it ends the search.
        proof = (twigs.kind == ANSWER) & (verdict == tree.VALID)
        keep = select.best(
            sound,
            jnp.where(proof, 2.0, twigs.score),
            (verdict == tree.VALID).astype(jnp.int32),
            count,
            beams,
            config.width,
        )
        ran = (twigs.leaf >= 0).any(1, keepdims=True)
        trees = trees.replace(live=trees.live & ~ran)
        trees, nodes = tree.add(trees, twigs, keep, verdict, count)
        answers = trees.kind == ANSWER
        proven = (answers & (trees.verdict == tree.VALID)).any(1)
        finished = answers.sum(1) >= beams
        spent = trees.depth.max(1) >= config.rounds
        done = (proven | finished | spent)[:, None]
        written = trees.end - trees.end[:, :1]
        fits = written + config.step_tokens <= config.chain_tokens
        return trees.replace(live=trees.live & fits & ~done), nodes

    return Strategy(
        branches=config.branches,
        groups=beams,
        step_tokens=config.step_tokens,
        rounds=config.rounds,
        nodes=1 + beams * config.rounds,
        greedy=False,
        whole=False,
        select=lambda tree: select.spread_over_live(
            tree, config.branches, beams
        ),
        update=update,
        vote=vote.score_sum,
    )
