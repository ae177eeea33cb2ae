"""What families share: the forms of answers, and draws of numbers."""

from __future__ import annotations

import math
import random
import re

from jaxlrm.families.rules.sums import is_same
from jaxlrm.verify.answers.comparison import is_equivalent, normal_form
from jaxlrm.verify.answers.lines import ungroup

_FRACTION = re.compile(
    r"(?<![0-9A-Za-z)}])\\frac ?(\{[^{}]*\}|[0-9]) ?(\{[^{}]*\}|[0-9])(?![0-9])"
)
_NESTED = 4  # fractions
_EXPONENT = re.compile(r"\^ ?\{ ?([0-9]+) ?\}(?! ?[0-9])")
_NUMBER = re.compile(
    r"[-+]? ?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+|[0-9]+ ?/ ?[0-9]+"
    r"|\([0-9]+ ?/ ?[0-9]+\))|\([-+]? ?[0-9]+(?: ?/ ?[0-9]+)?\)"
)
_FACTOR = re.compile(r"(?<=[0-9a-z]) ?(?=[a-z])")


def typed(answer: str) -> str:
    r"""`answer` as a program writes it: `3*x**2` for `$3 \cdot x^{2}$`."""
    text = normal_form(answer)
    if "\\" in text or "^" in text:
        text = _EXPONENT.sub(r"^\1", text)
        for _ in range(_NESTED):
            text = _FRACTION.sub(_slashed, text)
        # Spaces, so that two signs of a product are no power.
        text = text.replace(r"\cdot", " * ").replace(r"\times", " * ")
        text = text.replace(r"\div", " / ").replace("^", "**")
    return text.strip()


def _slashed(match: re.Match) -> str:
    top, bottom = (part.strip("{} ") for part in match.groups())
    top, bottom = (
        part if re.fullmatch("-?[0-9]+", part) else f"({part})"
        for part in (top, bottom)
    )
    return f"({top}/{bottom})"


class Numeric:
    """A family whose answers are numbers.

    An expression of the same value (`3 + 4` for 7) restates the problem.
    """

    def accepts(self, statement: str, answer: str, gold: str) -> bool:
        """See `extend.Family`. `x = 7` is 7 where only x is asked for."""
        name, equals, value = typed(answer).rpartition("=")
        asked = filter(str.isalpha, statement.rpartition(" for ")[2])
        if equals and {name.strip()} != set(asked):
            return False
        value = ungroup(value.strip())
        return bool(_NUMBER.fullmatch(value)) and is_equivalent(value, gold)


class Polynomial:
    """A family whose answers are polynomials."""

    def accepts(self, statement: str, answer: str, gold: str) -> bool:
        """Is it the polynomial, expanded and with like terms collected?"""
        del statement
        text = _FACTOR.sub("*", typed(answer).removeprefix("+"))
        return is_same(text, gold)


def entropy(rng: random.Random, level: int) -> float:
    """Difficulty in decimal digits: levels 1 to 5 share 3 to 10 evenly.

    That is the range of the training sets of DeepMind's mathematics dataset.
    """
    return rng.uniform(3 + 1.4 * (level - 1), 3 + 1.4 * level)


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


def positive(rng: random.Random, entropy: float) -> int:
    """An integer from about `10**entropy` values, at least 1."""
    return rng.randint(1, max(1, math.ceil(10.0**entropy)))


def integer(rng: random.Random, entropy: float) -> int:
    """A signed integer from about `10**entropy` values around zero.

    The size distribution of DeepMind's mathematics dataset (Saxton et al.
    2019): `entropy` is in decimal digits.
    """
    bound = math.ceil(10.0**entropy / 2)
    return rng.randint(-bound, bound)
