"""The vote of the chains that ended, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxlrm.config import DOUBT
from jaxlrm.engine.solution import Step, Vote, lowered
from jaxlrm.verify.verdict import Verdict, best_of


def candidates(ended: Sequence[Step]) -> list[Step]:
    """Chains that may be voted on: proven ones, else kept, else any."""
    kept = [chain for chain in ended if chain.kept]
    proven = [chain for chain in kept if chain.verdict is Verdict.VALID]
    return proven or kept or list(ended)


def count(
    chains: Sequence[Step],
    groups: Sequence[int],
    names: Sequence[str],
    vote: str,
) -> tuple[tuple[Vote, ...], Step]:
    """The votes, heaviest first, and the best chain for the first of them.

    Of answers with equal weights the one first seen comes first.

    Args:
        chains: those that may be voted on, by their last steps; one at least.
        groups: which of them have equal answers, see `verify.answers`.
        names: the answer of each group.
        vote: see `weigh`.
    """
    members: dict[int, list[Step]] = {}
    weights = dict.fromkeys(groups, 0.0)
    weighed = weigh(chains, vote)
    for chain, group, weight in zip(chains, groups, weighed, strict=True):
        members.setdefault(group, []).append(chain)
        weights[group] += float(weight)
    whole = sum(weights.values()) or 1.0
    order = sorted(weights, key=weights.__getitem__, reverse=True)
    votes = tuple(
        Vote(
            answer=names[group],
            weight=weights[group] / whole,
            count=sum(chain.count for chain in members[group]),
            verdict=best_of(chain.verdict for chain in members[group]),
        )
        for group in order
    )
    best = max(
        members[order[0]],
        key=lambda chain: (chain.verdict is Verdict.VALID, _trust(chain)),
    )
    return votes, best


def weigh(chains: Sequence[Step], vote: str) -> np.ndarray:
    """`[A] float`, what chains weigh by `SearchConfig.vote`.

    `count`: the branches that wrote it; `sum`: that times its score; `best`:
    all for the best score. Without scores the doubtful have a quarter.
    """
    number = np.array([chain.count for chain in chains], float)
    score = np.array(list(map(_trust, chains)))
    if vote == "count":
        return number * [DOUBT if c.doubtful else 1.0 for c in chains]
    if vote == "sum":
        return number * score
    return np.arange(len(chains)) == score.argmax()


def is_decided(
    chains: Sequence[Step], votes: Sequence[Vote], vote: str, most: int
) -> bool:
    """Whether no chain that is still to end can change the winner.

    Args:
        chains: those that ended.
        votes: theirs.
        vote: see `weigh`.
        most: chains that can end in all; 0 if it is not known.
    """
    if not most or vote == "best":
        return False
    second = votes[1].weight if len(votes) > 1 else 0.0
    ahead = (votes[0].weight - second) * weigh(chains, vote).sum()
    return ahead > max(most - sum(chain.count for chain in chains), 0)


def confidence(votes: Sequence[Vote], chain: Step) -> float:
    """1 for a proven chain; else the vote's share times the learned score.

    Without a score, votes alone speak: `k` of `n` chains agreeing counts as
    `k / (n + 1)`, so that one chain says little; a doubt lowers that as it
    lowers a score. A chain that a verifier refuted leaves none.
    """
    if chain.verdict in (Verdict.VALID, Verdict.INVALID):
        return float(chain.verdict is Verdict.VALID)
    score = chain.score
    if score is None:
        number = sum(each.count for each in votes)
        score = number / (number + 1)
        score = lowered(score) if chain.doubtful else score
    return votes[0].weight * score


def _trust(chain: Step) -> float:
    """Its learned score; without one 1, and less if it is in doubt."""
    if chain.score is not None:
        return chain.score
    return DOUBT if chain.doubtful else 1.0
