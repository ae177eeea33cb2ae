"""The vote of the chains that ended, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxlrm.config import DOUBT
from jaxlrm.engine.solution import Step, Vote, lowered
from jaxlrm.search import vote
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
    weigh: vote.Weigh,
) -> tuple[tuple[Vote, ...], Step]:
    """The votes, heaviest first, and the best chain for the first of them.

    Args:
        chains: those that may be voted on, by their last steps; one at least.
        groups: which of them have equal answers, see `verify.answers`.
        names: the answer of each group.
        weigh: what a chain weighs, by its score and its number.
    """
    members: dict[int, list[Step]] = {}
    for chain, group in zip(chains, groups, strict=True):
        members.setdefault(group, []).append(chain)
    # Of groups with equal weights the one first seen is the winner.
    shares = vote.tally(groups, _weights(chains, weigh))
    votes = tuple(
        Vote(
            answer=names[group],
            weight=share,
            count=sum(chain.count for chain in members[group]),
            verdict=best_of(chain.verdict for chain in members[group]),
        )
        for group, share in shares.items()
    )
    best = max(
        members[next(iter(shares))],
        key=lambda chain: (chain.verdict is Verdict.VALID, _trust(chain)),
    )
    return votes, best


def is_decided(
    chains: Sequence[Step], votes: Sequence[Vote], weigh: vote.Weigh, most: int
) -> bool:
    """Whether no chain that is still to end can change the winner.

    Args:
        chains: those that ended.
        votes: theirs.
        weigh: as of `count`.
        most: chains that can end in all; 0 if it is not known.
    """
    if not most or weigh is vote.best:
        return False
    whole = _weights(chains, weigh).sum()
    second = votes[1].weight if len(votes) > 1 else 0.0
    coming = most - sum(chain.count for chain in chains)
    return bool((votes[0].weight - second) * whole > max(coming, 0))


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


def _weights(chains: Sequence[Step], weigh: vote.Weigh) -> np.ndarray:
    """What the chains weigh: one with a doubt a quarter, where it has a vote.

    Where it has a score, the doubt has lowered that.
    """
    number = np.array([chain.count for chain in chains], float)
    if weigh is vote.count:
        number *= [DOUBT if chain.doubtful else 1.0 for chain in chains]
    return weigh(np.array(list(map(_trust, chains))), number)


def _trust(chain: Step) -> float:
    """Its learned score; without one 1, and less if it is in doubt."""
    if chain.score is not None:
        return chain.score
    return DOUBT if chain.doubtful else 1.0
