"""From scores to probabilities.

A score is calibrated if, of the steps scored 0.8, four in five are right. A
line through the logits (Platt 1999, "Probabilistic outputs for support vector
machines") is fitted to labelled steps and kept beside the weights, in
`calibration.json`.
"""

from __future__ import annotations

import json
import pathlib
from typing import NamedTuple

import numpy as np

FILE = "calibration.json"
_STEPS = 100  # of Newton's method; a dozen are usual
_RIDGE = 1e-6  # keeps the fit finite where labels are separable


class Calibration(NamedTuple):
    """`sigmoid(scale * logit + bias)` is the calibrated score."""

    scale: float = 1.0
    bias: float = 0.0


def sigmoid(logits) -> np.ndarray:
    """The logistic function, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(logits, np.float64)))


def fit(logits, labels) -> Calibration:
    """The likeliest calibration of `logits [n]` for `labels [n]` in [0, 1].

    Raises:
        ValueError: the lengths differ, or there is no step.
    """
    x, y = _same_length(logits, labels)
    design = np.stack([x, np.ones_like(x)], 1)
    start = np.array([1.0, 0.0])

    def loss(weights: np.ndarray) -> float:
        z = design @ weights
        away = weights - start
        return np.mean(np.logaddexp(0, z) - y * z) + _RIDGE / 2 * away @ away

    weights = start
    for _ in range(_STEPS):
        p = sigmoid(design @ weights)
        gradient = design.T @ (p - y) / len(x) + _RIDGE * (weights - start)
        curve = (design * (p * (1 - p))[:, None]).T @ design / len(x)
        move = np.linalg.solve(curve + _RIDGE * np.eye(2), gradient)
        # Newton's step may overshoot where the sigmoid is flat.
        while loss(weights - move) > loss(weights) and np.abs(move).max() > 0:
            move = move / 2
        weights = weights - move
        if np.abs(move).max() < 1e-9:
            break
    return Calibration(float(weights[0]), float(weights[1]))


def expected_error(scores, labels, bins: int = 15) -> float:
    """Expected calibration error (Naeini et al. 2015), in [0, 1].

    Scores are put into `bins` bins of equal width; the mean distance of the
    mean score from the share of right steps, weighted by the steps of a bin.
    """
    return sum(
        row.steps * abs(row.score - row.right)
        for row in reliability(scores, labels, bins)
    ) / max(1, len(np.asarray(scores)))


class Bin(NamedTuple):
    """One row of a reliability diagram.

    Attributes:
        low: lower edge of the scores; the bin is `1 / bins` wide.
        steps: how many fell into it.
        score: their mean score.
        right: their mean label.
    """

    low: float
    steps: int
    score: float
    right: float


def reliability(scores, labels, bins: int = 15) -> list[Bin]:
    """The reliability diagram: bins that hold steps, in order."""
    p, y = _same_length(scores, labels)
    number = np.minimum((p * bins).astype(int), bins - 1)
    return [
        Bin(
            b / bins,
            int((number == b).sum()),
            float(p[number == b].mean()),
            float(y[number == b].mean()),
        )
        for b in np.unique(number).tolist()
    ]


def auroc(scores, labels) -> float:
    """The chance that a right step scores above a wrong one, ties half.

    Area under the receiver operating characteristic. Labels are right from
    0.5 on. NaN where all steps are right, or all are wrong.
    """
    p, y = _same_length(scores, labels)
    right = y >= 0.5
    if right.all() or not right.any():
        return float("nan")
    values, place, count = np.unique(p, return_inverse=True, return_counts=True)
    del values
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # mean rank of ties
    n = int(right.sum())
    pairs = n * (len(p) - n)
    return float((rank[right].sum() - n * (n + 1) / 2) / pairs)


def read(folder: str | pathlib.Path) -> Calibration:
    """That of a model folder; the identity if it has none.

    Raises:
        ValueError: the file cannot be read.
    """
    path = pathlib.Path(folder) / FILE
    if not path.exists():
        return Calibration()
    try:
        values = json.loads(path.read_text("utf-8"))
        found = Calibration(float(values["scale"]), float(values["bias"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'{path}: {error!r}; it holds {{"scale": number, "bias": number}}'
        ) from None
    if not found.scale > 0 or not np.isfinite(found).all():
        raise ValueError(f"{path}: {found} would not keep the order of scores")
    return found


def _same_length(one, other) -> tuple[np.ndarray, np.ndarray]:
    one = np.asarray(one, np.float64).ravel()
    other = np.asarray(other, np.float64).ravel()
    if len(one) != len(other) or not len(one):
        raise ValueError(
            f"{len(one)} scores for {len(other)} labels; give one of each for "
            "every step, and at least one step"
        )
    return one, other
