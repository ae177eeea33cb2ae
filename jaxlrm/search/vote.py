"""What each finished chain weighs in the vote on the answer (numpy).

Chains are grouped by answer outside; a group's weight is the sum of its
chains'. Ties go to the group seen first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

# score [A] float, count [A] int -> weight [A] float
Weigh = Callable[[np.ndarray, np.ndarray], np.ndarray]


def count(score: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Majority: every branch has one vote."""
    del score
    return number.astype(float)


def score_sum(score: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Weighted majority: every branch votes with its score."""
    return score * number


def best(score: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Best of N: the chain with the highest score takes all."""
    del number
    weight = np.zeros(len(score))
    if len(score):
        weight[score.argmax()] = 1.0
    return weight


BY_NAME: dict[str, Weigh] = {"count": count, "sum": score_sum, "best": best}


def tally(groups: Sequence[int], weight: np.ndarray) -> dict[int, float]:
    """Share of the vote of each group, heaviest first.

    Args:
        groups: group of each chain, numbered in the order first seen.
        weight: `[A]`, not negative.
    """
    totals: dict[int, float] = {}
    for group, part in zip(groups, weight, strict=True):
        totals[group] = totals.get(group, 0.0) + float(part)
    whole = sum(totals.values())
    shares = {g: t / whole if whole else 0.0 for g, t in totals.items()}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
