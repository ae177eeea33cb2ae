"""Linear equations in one unknown: `Solve 12*m = -9*m + 21 for m.`

Phrasing and size distribution of `algebra__linear_1d` in DeepMind's
mathematics dataset (Saxton et al. 2019, "Analysing mathematical reasoning
abilities of neural models"), written anew.

A chain of thought is a chain of equivalent equations: the terms are collected,
each line carries out one addition, and a quotient of several digits is split
off a digit at a time.
"""

from __future__ import annotations

import math
import random
import re

from jaxlrm.tasks import task

_LETTERS = "abcdfghijklmnopqrstuvwxyz"
_PHRASE = re.compile(r"Solve ([-+*/^.()= 0-9a-z]{1,400}) for ([a-z])\.?")


class LinearEquation:
    """The family; `entropy` is the range of difficulty in decimal digits."""

    name = "linear"

    def __init__(self, entropy: tuple[float, float] = (3.0, 10.0)):
        self.entropy = entropy

    def sample(self, rng: random.Random) -> task.Problem:
        while True:
            variable = rng.choice(_LETTERS)
            root, left, right = _sample_terms(rng, rng.uniform(*self.entropy))
            steps = _solve(variable, left, right)
            if steps:
                break
        sides = " = ".join(_side(side, variable) for side in (left, right))
        return task.Problem(
            f"Solve {sides} for {variable}.", str(root), self.name, steps
        )

    def statement(self, text: str) -> str | None:
        match = _PHRASE.fullmatch(text.strip())
        if match is None or match[1].count("=") != 1:
            return None
        unknowns = set(filter(str.isalpha, match[1]))
        return match[1].strip() if unknowns == {match[2]} else None


def _sample_terms(rng: random.Random, entropy: float):
    """Draws `(root, left, right)`; a term is `(number, is_coefficient)`."""
    root_entropy = max(1.0, entropy / 4)
    root = task.integer(rng, root_entropy)
    entropy = max(1.0, entropy - root_entropy)
    share = rng.uniform(1 / 3, 2 / 3)
    coefficient = 0
    while coefficient == 0:
        coefficient = task.integer(rng, max(1.0, entropy * share))
    constant = coefficient * root
    fewest = 2 + (constant != 0)
    terms = rng.randint(fewest, max(fewest, 1 + int(1 + entropy / 2)))
    more = task.composition(rng, 2, terms - 1 - (constant != 0))
    counts = [1 + more[0], (constant != 0) + more[1]]
    if constant == 0 and counts[1] == 1:  # a lone zero says nothing
        counts = [counts[0] + 1, 0]
    entropies = [
        (1 - share) * entropy * part
        for part in task.dirichlet(rng, [n - 1 for n in counts])
    ]
    left, right = [], []
    for is_coefficient, total, count, bits in zip(
        (True, False), (coefficient, -constant), counts, entropies, strict=True
    ):
        for number in _split(rng, total, count, bits):
            if number == 0:
                continue
            if rng.random() < 0.5:
                left.append((number, is_coefficient))
            else:
                right.append((-number, is_coefficient))
    return root, left, right


def _split(rng: random.Random, total: int, count: int, entropy: float):
    """`count` integers of about `entropy` digits together, summing to total."""
    if count == 0:
        return []
    if count == 1:
        return [total]
    fewest = max(1.0, math.log10(5 * math.ceil(abs(total) / count) + 1))
    entropy *= count / (count - 1)
    parts = [
        task.integer(rng, max(fewest, entropy * share))
        for share in task.dirichlet(rng, [1] * count)
    ]
    excess = total - sum(parts)
    each, rest = divmod(abs(excess), count)
    sign = 1 if excess >= 0 else -1
    extra = [sign * (each + (i < rest)) for i in range(count)]
    rng.shuffle(extra)
    parts = [part + more for part, more in zip(parts, extra, strict=True)]
    rng.shuffle(parts)
    return parts


def _side(terms, variable: str) -> str:
    return signed_sum(
        [
            (number, variable if is_coefficient else "")
            for number, is_coefficient in terms
        ]
    )


def signed_sum(terms) -> str:
    """`[(3, "x"), (-4, "")]` as `3*x - 4`; the empty sum is `0`."""
    text = ""
    for number, name in terms:
        size = abs(number)
        body = name if name and size == 1 else f"{size}*{name}".rstrip("*")
        if text:
            text += f" {'-' if number < 0 else '+'} {body}"
        else:
            text = f"{'-' if number < 0 else ''}{body}"
    return text or "0"


def _solve(variable: str, left, right) -> tuple[str, ...]:
    """The worked chain: equations, each equivalent to the one before."""
    coefficients = [n for n, is_c in left if is_c]
    coefficients += [-n for n, is_c in right if is_c]
    constants = [n for n, is_c in right if not is_c]
    constants += [-n for n, is_c in left if not is_c]
    if not coefficients:
        return ()
    stated = " = ".join(_side(side, variable) for side in (left, right))
    steps = [_collected(coefficients, variable, constants)]
    while len(coefficients) > 1 or len(constants) > 1:
        numbers = coefficients if len(coefficients) > 1 else constants
        numbers[:2] = [numbers[0] + numbers[1]]
        if coefficients == [0]:
            return ()
        steps.append(_collected(coefficients, variable, constants))
    if steps[0] == stated:
        steps = steps[1:]
    (factor,) = coefficients
    steps += _divide(variable, factor, sum(constants))
    return tuple(dict.fromkeys(steps))


def _collected(coefficients, variable: str, constants) -> str:
    factor = signed_sum([(number, "") for number in coefficients])
    if len(coefficients) > 1:
        factor = f"({factor})*{variable}"
    else:
        factor = signed_sum([(coefficients[0], variable)])
    return f"{factor} = {signed_sum([(n, '') for n in constants if n])}"


def _divide(variable: str, factor: int, rest: int) -> list[str]:
    """Solves `factor*variable = rest`, a digit of the quotient at a time."""
    if factor == 1:
        return []
    quotient = rest // factor
    steps = []
    found = 0
    while abs(quotient - found) >= 10:
        digit = abs(quotient - found)
        part = digit - digit % 10 ** (len(str(digit)) - 1)
        part = part if quotient > 0 else -part
        found += part
        shifted = f"({signed_sum([(1, variable), (-found, '')])})"
        left = f"-{shifted}" if factor == -1 else f"{factor}*{shifted}"
        product = factor * part
        steps.append(f"{left} = {signed_sum([(rest, ''), (-product, '')])}")
        rest -= product
        steps.append(f"{left} = {rest}")
    if found and rest:
        shifted = signed_sum([(1, variable), (-found, "")])
        steps.append(f"{shifted} = {quotient - found}")
    steps.append(f"{variable} = {quotient}")
    return steps
