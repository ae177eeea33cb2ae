"""Linear equations in one unknown: `Solve 12*m = -9*m + 21 for m.`

Phrasing and size distribution of `algebra__linear_1d` in DeepMind's
mathematics dataset (Saxton et al. 2019, "Analysing mathematical reasoning
abilities of neural models") and of `simple_equations` in reasoning-gym,
written anew.

A chain of thought is a chain of equivalent equations: the terms are collected,
each line carries out one addition, and a quotient of several digits is split
off a digit at a time.
"""

from __future__ import annotations

import math
import random
import re

from jaxlrm import extend
from jaxlrm.families import task, working

_LETTERS = "abcdfghijklmnopqrstuvwxyz"
_SOLVE = "Solve {sides} for {variable}."
_SIMPLE = (
    "Solve for {variable}: {sides}",
    "Find the value of {variable} in the equation: {sides}",
    "Determine the value of {variable} that satisfies: {sides}",
)
_SIDES = r"[-+*/^.()= 0-9a-z]{1,400}"
_PHRASE = re.compile(
    rf"Solve (?P<sides>{_SIDES}) for (?P<variable>[a-z])\.?"
    rf"|(?:Solve for (?P<unknown>[a-z]):|(?:Find|Determine) the value of "
    rf"(?P<name>[a-z]) (?:in the equation|that satisfies):) "
    rf"(?P<simple>{_SIDES})"
)


class LinearEquation(task.Numeric):
    """The family."""

    name = "linear"
    dead_ends = False

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        simple = rng.random() < 0.25
        while True:
            variable = rng.choice(_LETTERS + "e" * simple)
            if simple:
                root, left, right = _simple_terms(rng, level)
            else:
                entropy = task.entropy(rng, level)
                root, left, right = _sample_terms(rng, entropy)
            steps = _solve(variable, left, right)
            if steps:
                break
        sides = " = ".join(_side(side, variable) for side in (left, right))
        phrase = rng.choice(_SIMPLE) if simple else _SOLVE
        text = phrase.format(sides=sides, variable=variable)
        return extend.Problem(text, str(root), self.name, steps)

    def statement(self, text: str) -> str | None:
        match = _PHRASE.fullmatch(extend.question(text))
        if match is None:
            return None
        sides = match["sides"] or match["simple"]
        variable = match["variable"] or match["unknown"] or match["name"]
        if sides.count("=") != 1:
            return None
        unknowns = set(filter(str.isalpha, sides))
        return sides.strip() if unknowns == {variable} else None


def _simple_terms(rng: random.Random, level: int):
    """As reasoning-gym: `84*t + 4370 = 9410`, the root positive."""
    top = (10, 30, 100, 100, 100, 300, 1000)[level - 1]
    root = rng.randint(1, top)
    coefficients, constants = [rng.randint(1, top)], []
    for _ in range(rng.randint(0, 2)):
        number = rng.randint(1, top)
        kind = rng.choices("+-*", (4, 4, 2))[0]
        if kind == "*":
            coefficients[0] *= number if coefficients[0] <= top else 1
        else:
            scale = rng.choice((1, rng.randint(1, top)))
            constants.append(number * scale * (1 if kind == "+" else -1))
    if rng.random() < 0.3:
        coefficients[0] *= -1
    left = [(coefficients[0], True), *((n, False) for n in constants)]
    if coefficients[0] < 0:  # `85 - 77*x`: what is positive comes first
        left.sort(key=lambda term: term[0] < 0)
    total = coefficients[0] * root + sum(constants)
    return root, left, [(total, False)] if total else []


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
    way = random.Random(stated)
    steps += _divide(variable, factor, sum(constants), way)
    return tuple(dict.fromkeys(steps))


def _collected(coefficients, variable: str, constants) -> str:
    factor = signed_sum([(number, "") for number in coefficients])
    if len(coefficients) > 1:
        factor = f"({factor})*{variable}"
    else:
        factor = signed_sum([(coefficients[0], variable)])
    return f"{factor} = {signed_sum([(n, '') for n in constants if n])}"


def _divide(
    variable: str, factor: int, rest: int, rng: random.Random
) -> list[str]:
    """Solves `factor*variable = rest`, a digit of the quotient at a time."""
    if factor == 1:
        return []
    quotient = rest // factor
    steps = []
    found = 0
    while abs(quotient - found) >= 10:
        part = working.guess(abs(quotient - found), rng)
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
