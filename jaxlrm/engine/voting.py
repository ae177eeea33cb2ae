"""The vote of the chains that ended, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxlrm.config import DOUBT
from jaxlrm.engine.solution import Thought, Vote
from jaxlrm.search import vote
from jaxlrm.verify.verdict import Verdict


class Candidate(NamedTuple):
    """A chain that ended in an answer.

    Attributes:
        thought: its last.
        doubtful: whether a step of it is in doubt.
    """

    thought: Thought
    doubtful: bool


def candidates(thoughts: Sequence[Thought], ended: Sequence[int]) -> list[int]:
    """Chains that may be voted on: proven ones, else kept, else any."""
    kept = [i for i in ended if thoughts[i].kept]
    proven = [i for i in kept if thoughts[i].verdict is Verdict.VALID]
    return proven or kept or list(ended)


def count(
    chains: Sequence[Candidate],
    groups: Sequence[int],
    names: Sequence[str],
    weigh: vote.Weigh,
) -> tuple[tuple[Vote, ...], int]:
    """The votes, heaviest first, and the best chain for the first of them.

    Args:
        chains: those that may be voted on.
        groups: which of them have equal answers, see `verify.answers`.
        names: the answer of each group.
        weigh: what a chain weighs, by its score and its number.
    """
    if not chains:
        return (), -1
    score, number = _trusts(chains), _numbers(chains)
    # In the order first seen, which decides between equal weights.
    order = list(dict.fromkeys(groups))
    shares = vote.tally(
        [order.index(group) for group in groups], _weights(chains, weigh)
    )
    votes = tuple(
        Vote(
            answer=names[order[place]],
            weight=share,
            count=int(number[np.array(groups) == order[place]].sum()),
            verdict=_best(
                chain.thought.verdict
                for chain, group in zip(chains, groups, strict=True)
                if group == order[place]
            ),
        )
        for place, share in shares.items()
    )
    first = order[next(iter(shares))]
    members = [i for i, group in enumerate(groups) if group == first]
    chosen = max(
        members,
        key=lambda i: (
            chains[i].thought.verdict is Verdict.VALID,
            score[i],
            -i,
        ),
    )
    return votes, chosen


def is_decided(
    chains: Sequence[Candidate],
    votes: Sequence[Vote],
    weigh: vote.Weigh,
    most: int,
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
    coming = most - _numbers(chains).sum()
    return bool((votes[0].weight - second) * whole > max(coming, 0))


def confidence(votes: Sequence[Vote], chain: Candidate) -> float:
    """1 for a proven chain; else the vote's share times the learned score.

    Without a score, votes alone speak: `k` of `n` chains agreeing counts as
    `k / (n + 1)`, so that one chain says little; a doubt lowers that as it
    lowers a score. A chain that a verifier refuted leaves none.
    """
    verdict, score = chain.thought.verdict, chain.thought.score
    if verdict is Verdict.VALID:
        return 1.0
    if verdict is Verdict.INVALID:
        return 0.0
    if score is None:
        number = sum(vote.count for vote in votes)
        score = number / (number + 1)
        score = lower(score) if chain.doubtful else score
    return votes[0].weight * score


def lower(score: float) -> float:
    """The score of a chain with a doubt: a quarter of its odds."""
    return DOUBT * score / (DOUBT * score + 1 - score)


def _weights(chains: Sequence[Candidate], weigh: vote.Weigh) -> np.ndarray:
    """What the chains weigh: one with a doubt a quarter, where it has a vote.

    Where it has a score, the doubt has lowered that.
    """
    number = _numbers(chains).astype(float)
    if weigh is vote.count:
        number *= [DOUBT if chain.doubtful else 1.0 for chain in chains]
    return weigh(_trusts(chains), number)


def _trusts(chains: Sequence[Candidate]) -> np.ndarray:
    """Learned scores; without them 1, and less for a chain with a doubt."""
    return np.array(
        [
            (DOUBT if chain.doubtful else 1.0)
            if chain.thought.score is None
            else chain.thought.score
            for chain in chains
        ]
    )


def _numbers(chains: Sequence[Candidate]) -> np.ndarray:
    return np.array([chain.thought.count for chain in chains])


def _best(verdicts) -> Verdict:
    found = set(verdicts)
    for verdict in (Verdict.VALID, Verdict.UNKNOWN, Verdict.TIMEOUT):
        if verdict in found:
            return verdict
    return found.pop()
