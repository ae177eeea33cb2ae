"""From scores to probabilities.

A score is calibrated if, of the steps scored 0.8, four in five are right. A
line through the logits (Platt 1999, "Probabilistic outputs for support vector
machines") is fitted to labelled steps and kept beside the weights, in
`calibration.json`.

What a model thinks of a step shows not only in its value head: the likelihood
that it gives to the step is a score as well (Yuan et al. 2024, "Free process
rewards without process labels"), for small models the better one: to see that a
token is not the one it expects a model must have read on, the likelihood has it
at once. The line may go through both.
"""

from __future__ import annotations

import pathlib
from typing import NamedTuple

import numpy as np

from jaxlrm import files

FILE = "calibration.json"
_STEPS = 100  # of Newton's method; a dozen are usual
_LARGEST = 1e6  # magnitude of a number in the file
_RIDGE = 1e-6  # keeps the fit finite where labels are separable


class Calibration(NamedTuple):
    """A line: its sigmoid is the calibrated score.

    Attributes:
        scale: of the value head's logit.
        bias: added to it.
        likelihood: of the log-likelihood of the step's tokens.
    """

    scale: float = 1.0
    bias: float = 0.0
    likelihood: float = 0.0

    @property
    def is_ordered(self) -> bool:
        """Whether a step that the model likes better scores higher."""
        if self.likelihood:
            return self.likelihood > 0
        return self.scale > 0

    def __call__(self, logits, likelihoods=0.0):
        """Calibrated logits."""
        line = self.scale * np.asarray(logits) + self.bias
        return line + self.likelihood * np.asarray(likelihoods)


def sigmoid(logits) -> np.ndarray:
    """The logistic function, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(logits, np.float64)))


def fit(logits, labels, likelihoods=None) -> Calibration:
    """The likeliest calibration of `logits [n]` for `labels [n]` in [0, 1].

    With `likelihoods [n]`, the log-likelihoods of the steps, of both.

    Raises:
        ValueError: the lengths differ, or there is no step.
    """
    x, y = _same_length(logits, labels)
    columns, start = [x, np.ones_like(x)], np.array([1.0, 0.0])
    if likelihoods is not None:
        columns.append(_same_length(likelihoods, labels)[0])
        start = np.append(start, 0.0)
    design = np.stack(columns, 1)

    def loss(weights: np.ndarray) -> float:
        z = design @ weights
        away = weights - start
        return np.mean(np.logaddexp(0, z) - y * z) + _RIDGE / 2 * away @ away

    weights = start
    for _ in range(_STEPS):
        p = sigmoid(design @ weights)
        gradient = design.T @ (p - y) / len(x) + _RIDGE * (weights - start)
        curve = (design * (p * (1 - p))[:, None]).T @ design / len(x)
        move = np.linalg.solve(curve + _RIDGE * np.eye(len(start)), gradient)
        # Newton's step may overshoot where the sigmoid is flat.
        while loss(weights - move) > loss(weights) and np.abs(move).max() > 0:
            move = move / 2
        weights = weights - move
        if np.abs(move).max() < 1e-9:
            break
    return Calibration(*map(float, weights))


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


def siblings(scores, labels, parents) -> tuple[float, int]:
    """The chance that a right step scores above a wrong one beside it.

    What a search asks of a judge: the AUROC of all steps counts, above all,
    how well it tells steps of chains that went wrong long before.

    Args:
        scores: `[n]`.
        labels: `[n]`, right from 0.5 on.
        parents: `[n]`, equal for the steps that follow the same text.

    Returns:
        The chance, ties half, and the number of pairs; NaN without a pair.
    """
    p, y = _same_length(scores, labels)
    right, (parents, _) = y >= 0.5, _same_length(parents, labels)
    wins, pairs = 0.0, 0
    order = np.argsort(parents, kind="stable")
    edges = np.flatnonzero(np.diff(parents[order])) + 1
    for group in np.split(order, edges):
        good, bad = p[group[right[group]]], p[group[~right[group]]]
        wins += (good[:, None] > bad).sum() + (good[:, None] == bad).sum() / 2
        pairs += len(good) * len(bad)
    return (float(wins / pairs) if pairs else float("nan")), pairs


def read(folder: str | pathlib.Path) -> Calibration:
    """That of a model folder; the identity if it has none.

    Raises:
        ValueError: it is no such file; names the file and the field.
    """
    path = pathlib.Path(folder) / FILE
    if not path.exists():
        return Calibration()
    fields = files.read_object(path)
    found = Calibration(
        fields.number("scale", -_LARGEST, _LARGEST),
        fields.number("bias", -_LARGEST, _LARGEST),
        fields.number("likelihood", -_LARGEST, _LARGEST, default=0.0),
    )
    if not found.is_ordered:
        raise ValueError(
            f"{fields.where}: scale {found.scale:g} and likelihood "
            f"{found.likelihood:g} would not keep the order of scores; the "
            "likelihood must be positive, or 0 and the scale positive"
        )
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
