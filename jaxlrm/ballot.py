"""The vote of the chains that ended, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxlrm.search import vote
from jaxlrm.solution import Thought, Vote
from jaxlrm.verify.maths import is_equivalent, normal_form
from jaxlrm.verify.verdict import Verdict


def candidates(thoughts: Sequence[Thought], ended: Sequence[int]) -> list[int]:
    """Chains that may be voted on: proven ones, else kept, else any."""
    kept = [i for i in ended if thoughts[i].kept]
    proven = [i for i in kept if thoughts[i].verdict is Verdict.VALID]
    return proven or kept or list(ended)


def count(
    thoughts: Sequence[Thought], answers: Sequence[str], weigh: vote.Weigh
) -> tuple[tuple[Vote, ...], int]:
    """The votes, heaviest first, and the best chain for the first of them."""
    if not thoughts:
        return (), -1
    names: list[str] = []  # of each group of equal answers
    known: dict[str, int] = {}
    for answer in answers:
        form = normal_form(answer)
        if form in known:
            continue
        for group, name in enumerate(names):
            if is_equivalent(answer, name):
                known[form] = group
                break
        else:
            known[form] = len(names)
            names.append(answer)
    groups = [known[normal_form(answer)] for answer in answers]
    score = np.array([_trust(t) for t in thoughts])
    number = np.array([t.count for t in thoughts])
    shares = vote.tally(groups, weigh(score, number))
    votes = tuple(
        Vote(
            answer=names[group],
            weight=share,
            count=int(
                sum(number[i] for i, g in enumerate(groups) if g == group)
            ),
            verdict=_best(
                t.verdict
                for t, g in zip(thoughts, groups, strict=True)
                if g == group
            ),
        )
        for group, share in shares.items()
    )
    first = next(iter(shares))
    members = [i for i, group in enumerate(groups) if group == first]
    chosen = max(
        members,
        key=lambda i: (thoughts[i].verdict is Verdict.VALID, score[i], -i),
    )
    return votes, chosen


def is_decided(
    thoughts: Sequence[Thought],
    votes: Sequence[Vote],
    weigh: vote.Weigh,
    most: int,
) -> bool:
    """Whether no chain that is still to end can change the winner.

    Args:
        thoughts: the last of each chain that ended.
        votes: theirs.
        weigh: as of `count`.
        most: chains that can end in all; 0 if it is not known.
    """
    if not most or weigh is vote.best:
        return False
    score = np.array([_trust(thought) for thought in thoughts])
    number = np.array([thought.count for thought in thoughts])
    whole = weigh(score, number).sum()
    second = votes[1].weight if len(votes) > 1 else 0.0
    coming = most - number.sum()
    return bool((votes[0].weight - second) * whole > max(coming, 0))


def confidence(votes: Sequence[Vote], chain: Thought) -> float:
    """1 for a proven chain; else the vote's share times the learned score.

    Without a score, votes alone speak: `k` of `n` chains agreeing counts as
    `k / (n + 1)`, so that one chain says little. A chain that a verifier
    refuted leaves none.
    """
    if chain.verdict is Verdict.VALID:
        return 1.0
    if chain.verdict is Verdict.INVALID:
        return 0.0
    chains = sum(vote.count for vote in votes)
    trust = chains / (chains + 1) if chain.score is None else chain.score
    return votes[0].weight * trust


def _trust(thought: Thought) -> float:
    return 1.0 if thought.score is None else thought.score


def _best(verdicts) -> Verdict:
    found = set(verdicts)
    for verdict in (Verdict.VALID, Verdict.UNKNOWN, Verdict.TIMEOUT):
        if verdict in found:
            return verdict
    return found.pop()
