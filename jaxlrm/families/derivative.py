"""Derivatives: `Find the second derivative of 5*x**3 - 2*x*y wrt x.`

Phrasings and size distribution of `calculus__differentiate` in DeepMind's
mathematics dataset (Saxton et al. 2019, "Analysing mathematical reasoning
abilities of neural models"), written anew.

A chain of thought differentiates one term after another, once a line.
"""

from __future__ import annotations

import math
import random
import re

from jaxlrm import extend
from jaxlrm.families import task
from jaxlrm.families.rules import derivative as rules
from jaxlrm.families.rules import polynomials

_LETTERS = "abcdfghijklmnopqrstuvwxyz"
_ORDINALS = ("first", "second", "third")
_PHRASES = (
    "Find the {nth} derivative of {polynomial}{wrt}.",
    "What is the {nth} derivative of {polynomial}{wrt}?",
)
_FIRST_PHRASES = (
    "Differentiate {polynomial}{wrt}.",
    "What is the derivative of {polynomial}{wrt}?",
)
_PHRASE = re.compile(
    r"(?:(?:Find|What is) the (?:(?P<nth>first|second|third) )?derivative of"
    r"|Differentiate) (?P<polynomial>[-+* 0-9a-z]{1,600}?)"
    r"(?: (?:wrt|with respect to) (?P<name>[a-z]))?[.?]"
)


class Derivative(task.Polynomial):
    """The family: one to four variables, first to third derivatives."""

    name = "differentiate"
    dead_ends = False

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        """Draws a problem; levels 1 to 5 span the range of the source."""
        longest = 130 if level <= 5 else 220  # of a polynomial
        for _ in range(8):
            order = rng.randint(1, 3)
            polynomial, name = _sample_polynomial(rng, level, order)
            written = polynomials.render(polynomial)
            if len(written) <= longest:
                break
        names = {name for powers in polynomial for name, _ in powers}
        text = _phrased(rng, written, name, order, len(names) == 1)
        terms = polynomials.read_sum(written)
        steps, answer = _solve(terms, name, order)
        return extend.Problem(text, answer, self.name, (*steps, answer))

    def statement(self, text: str) -> str | None:
        """`diff(POLYNOMIAL, VARIABLE, ORDER)`."""
        match = _PHRASE.fullmatch(extend.question(text))
        if match is None:
            return None
        order = 1 + _ORDINALS.index(match["nth"] or "first")
        names = set(filter(str.isalpha, match["polynomial"]))
        name = match["name"] or (names.pop() if len(names) == 1 else "")
        statement = f"diff({match['polynomial'].strip()}, {name}, {order})"
        return statement if rules.reads(statement) else None


def _phrased(rng, polynomial: str, name: str, order: int, lone: bool) -> str:
    phrases = _PHRASES + _FIRST_PHRASES * (order == 1)
    phrase = rng.choice(phrases)
    wrt = f" wrt {name}"
    if phrase.startswith("Differentiate") and rng.random() < 0.5:
        wrt = f" with respect to {name}"
    if lone and rng.random() < 0.5:
        wrt = ""
    nth = _ORDINALS[order - 1]
    return phrase.format(nth=nth, polynomial=polynomial, wrt=wrt)


def _sample_polynomial(rng: random.Random, level: int, order: int):
    """A polynomial in a few variables, and the one of the derivative."""
    entropy = task.entropy(rng, level) - math.log10(3)
    names = rng.sample(_LETTERS, rng.randint(1, 4))
    axis = rng.randrange(len(names))
    degrees = [rng.randint(1, 3) for _ in names]
    degrees[axis] = rng.randint(0, 3)
    kept = _sample_terms(rng, degrees, entropy)
    degrees[axis] = order - 1
    lost = _sample_terms(rng, degrees, entropy)
    polynomial = {}
    for terms, more in ((kept, order), (lost, 0)):
        for exponents, number in terms:
            exponents[axis] += more
            pairs = zip(names, exponents, strict=True)
            polynomial[tuple(sorted(p for p in pairs if p[1]))] = number
    return polynomial, names[axis]


def _sample_terms(rng: random.Random, degrees, entropy: float):
    """Some `[exponents, coefficient]`; each degree is reached."""
    chosen = set()
    for axis, degree in enumerate(degrees):
        if degree:
            exponents = [rng.randint(0, most) for most in degrees]
            exponents[axis] = degree
            chosen.add(tuple(exponents))
    fewest = max(1, len(chosen))
    most = math.prod(degree + 1 for degree in degrees)
    count = rng.randint(
        fewest, max(fewest, min(most, fewest + int(entropy / 2)))
    )
    while len(chosen) < count:
        chosen.add(tuple(rng.randint(0, most) for most in degrees))
    shares = task.dirichlet(rng, [1] * count)
    terms = []
    for exponents, share in zip(sorted(chosen), shares, strict=True):
        bound = math.ceil((10.0 ** (entropy * share) + 1) / 2)
        number = rng.randint(1, bound) * rng.choice((1, -1))
        terms.append((list(exponents), number))
    return terms


def _solve(terms, name: str, order: int) -> tuple[list[str], str]:
    """The lines of the chain before the answer, and the answer."""
    steps: dict[str, None] = {}  # in order, without repetitions
    total: dict = {}
    for _, number, powers in terms:
        exponents = dict(powers)
        if exponents.get(name, 0) < order:
            continue
        before = polynomials.render({powers: number})
        for _ in range(order):
            number *= exponents[name]
            exponents[name] -= 1
            powers = tuple(pair for pair in exponents.items() if pair[1])
            after = polynomials.render({powers: number})
            steps[f"diff({before}) = {after}"] = None
            before = after
        total[powers] = total.get(powers, 0) + number
    return list(steps), polynomials.render(total)
