"""What a generated family of problems is."""

from __future__ import annotations

import math
import random
from typing import NamedTuple, Protocol


class Problem(NamedTuple):
    """One problem with what is known about it.

    Attributes:
        text: the question, as a person would write it.
        answer: the gold answer, bare (`5`, not `x = 5`).
        task: name of the family it was drawn from.
        steps: a worked chain of thought, one elementary operation a step; the
            last step states the answer. For training only: nothing at
            inference sees it.
    """

    text: str
    answer: str
    task: str
    steps: tuple[str, ...]


class Task(Protocol):
    """A family: it draws problems, and reads what a problem states.

    Attributes:
        name: unique name, as in the `task` field of a dataset line.
    """

    name: str

    def sample(self, rng: random.Random) -> Problem:
        """Draws one problem with a worked chain of thought."""

    def statement(self, text: str) -> str | None:
        """The equation or expression that `text` asks about.

        Reads, never solves. None if `text` is not phrased as this family
        phrases its problems.
        """


def dirichlet(rng: random.Random, weights) -> list[float]:
    """One draw from a Dirichlet distribution with these concentrations."""
    draws = [rng.gammavariate(w, 1.0) if w > 0 else 0.0 for w in weights]
    total = sum(draws) or 1.0
    return [draw / total for draw in draws]


def composition(rng: random.Random, parts: int, total: int) -> list[int]:
    """`parts` non-negative integers with sum `total`, uniformly."""
    bars = sorted(rng.sample(range(total + parts - 1), parts - 1))
    edges = [-1, *bars, total + parts - 1]
    return [edges[i + 1] - edges[i] - 1 for i in range(parts)]


def integer(rng: random.Random, entropy: float) -> int:
    """A signed integer from about `10**entropy` values around zero.

    The size distribution of DeepMind's mathematics dataset (Saxton et al.
    2019): `entropy` is in decimal digits.
    """
    bound = math.ceil(10.0**entropy / 2)
    return rng.randint(-bound, bound)
