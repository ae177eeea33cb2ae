"""Two equations in two unknowns: `Solve 5*n - 3*o = -15, 0 = 4*o - 40 for n.`

Phrasing and size distribution of `algebra__linear_2d` in DeepMind's
mathematics dataset (Saxton et al. 2019), written anew.

A chain of thought collects the terms of each equation, one addition a line.
Then the other unknown is eliminated by a combination of the two equations,
whose products and sums are carried out one a line, and the quotient is split
off a digit at a time. Where an equation has the other unknown alone, its value
is put into the other equation instead.
"""

from __future__ import annotations

import math
import random
import re
from typing import NamedTuple

from jaxlrm import extend
from jaxlrm.families import task, working
from jaxlrm.families.linear import _divide, _split, signed_sum
from jaxlrm.families.rules import systems as rule

_LETTERS = "abcdfghijklmnopqrstuvwxyz"
_PHRASE = re.compile(
    rf"Solve ({rule.EQUATION}), ({rule.EQUATION}) for ([a-z])\.?"
)
_ENTROPY = (3.0, 10.0)  # decimal digits; levels 1 to 5 part this range


class Equation(NamedTuple):
    """`(a1 + a2)*d + (b1 + b2)*m = c1 + c2`, as yet unsummed.

    Attributes:
        asked: coefficients of the unknown asked for.
        other: coefficients of the other unknown.
        constants: on the right side.
    """

    asked: list[int]
    other: list[int]
    constants: list[int]


class LinearSystem(task.Numeric):
    """The family. Both unknowns are whole."""

    name = "system"
    dead_ends = False

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        low, high = _ENTROPY
        step = (high - low) / 5
        entropy = low + step * (level - 1 + rng.random())
        names = rng.sample(_LETTERS, 2)
        root, equations = _sample(rng, entropy)
        texts = [_stated(rng, equation, names) for equation in equations]
        steps = dict.fromkeys(_solve(equations, names))
        return extend.Problem(
            f"Solve {', '.join(texts)} for {names[0]}.",
            str(root),
            self.name,
            tuple(step for step in steps if step not in texts),
        )

    def statement(self, text: str) -> str | None:
        line = extend.question(text)
        if len(line) > rule.LENGTH:
            return None
        match = _PHRASE.fullmatch(line)
        if match is None:
            return None
        statement = f"{match[1].strip()}, {match[2].strip()} for {match[3]}"
        return statement if rule.reads(statement) else None


def _sample(rng: random.Random, entropy: float):
    """Draws `(root, (equation, equation))` of about this many digits."""
    root_entropies = [
        max(1.0, entropy / 4 * part) for part in task.dirichlet(rng, [1, 1])
    ]
    roots = [task.integer(rng, digits) for digits in root_entropies]
    entropy = max(1.0, entropy - sum(root_entropies))
    share = rng.uniform(1 / 3, 2 / 3)
    sizes = [
        max(1.0, entropy * share * part)
        for part in task.dirichlet(rng, [1] * 4)
    ]
    determinant = 0
    while determinant == 0:
        a, b, c, d = (task.integer(rng, size) for size in sizes)
        # Both equations have the other unknown, or one would be the answer.
        determinant = (a * d - b * c) * b * d
    totals = [a, b, a * roots[0] + b * roots[1]]
    totals += [c, d, c * roots[0] + d * roots[1]]
    counts = _counts(rng, totals, 1 + int(2 + entropy))
    splits = task.dirichlet(rng, [max(0, count - 1) for count in counts])
    numbers = [
        _split(rng, total, count, (1 - share) * entropy * part)
        for total, count, part in zip(totals, counts, splits, strict=True)
    ]
    return roots[0], (Equation(*numbers[:3]), Equation(*numbers[3:]))


def _counts(rng: random.Random, totals: list[int], most: int) -> list[int]:
    """How many terms each total is split into; a zero into none or several."""
    counts = [int(total != 0) for total in totals]
    fewest = sum(counts) + 1
    extra = rng.randint(fewest, max(fewest, most)) - sum(counts)
    more = task.composition(rng, len(counts), extra)
    counts = [one + other for one, other in zip(counts, more, strict=True)]
    for index, total in enumerate(totals):
        if total == 0 and counts[index] == 1:
            counts[index] = 0
            others = [i for i, n in enumerate(counts) if n and i != index]
            counts[rng.choice(others)] += 1
    return counts


def _stated(rng: random.Random, equation: Equation, names) -> str:
    """Spreads the terms over the two sides."""
    terms = [(number, names[0]) for number in equation.asked]
    terms += [(number, names[1]) for number in equation.other]
    terms += [(-number, "") for number in equation.constants]
    left, right = [], []
    for number, name in terms:
        if rng.random() < 0.5:
            left.append((number, name))
        else:
            right.append((-number, name))
    return f"{signed_sum(left)} = {signed_sum(right)}"


# --- The worked chain -------------------------------------------------------


def _solve(equations, names):
    """The lines, each a combination of the two equations."""
    way = random.Random(str(equations))
    rows = []
    for equation in equations:
        yield from _collect(equation, names)
        rows.append(tuple(map(sum, equation)))
    rows.sort(key=lambda row: row[0] == 0)
    (a, b, c), (other_a, other_b, other_c) = rows
    if other_a == 0:
        # The other unknown stands alone: its value is put in.
        yield from _quotient(names[1], other_b, other_c, way)
        left = [(a,)]
        right = [(c,), (-b, other_c // other_b)]
    else:
        scale, other_scale = _scales(b, other_b)
        left = [(a, scale), (other_a, other_scale)]
        right = [(c, scale), (other_c, other_scale)]
    left, right = _tidy(left), _tidy(right)
    yield _products(left, names[0], right)
    for side in (left, right):
        while _carry_out(side):
            yield _products(left, names[0], right)
    (factor,) = left[0]
    yield from _quotient(names[0], factor, sum(n for (n,) in right), way)


def _collect(equation: Equation, names):
    """Lines that sum the terms up; `equation` is summed up in place."""
    for numbers in equation:
        numbers[:] = [number for number in numbers if number]
    yield _collected(equation, names)
    for numbers in equation:
        while len(numbers) > 1:
            total = numbers[0] + numbers[1]
            numbers[:2] = [total] if total else []
            yield _collected(equation, names)


def _collected(equation: Equation, names) -> str:
    text = ""
    for numbers, name in zip(equation, names, strict=False):
        if len(numbers) > 1:
            part = f"({signed_sum([(n, '') for n in numbers])})*{name}"
        elif numbers:
            part = signed_sum([(numbers[0], name)])
        else:
            continue
        if not text:
            text = part
        elif part[0] == "-":
            text += f" - {part[1:]}"
        else:
            text += f" + {part}"
    return f"{text} = {signed_sum([(n, '') for n in equation.constants])}"


def _scales(one: int, other: int) -> tuple[int, int]:
    """Factors that cancel the coefficients `one` and `other`.

    The common divisor is taken out where it is easily seen. The first factor
    is above zero.
    """
    easy = abs(one) < 10 and abs(other) < 10 or abs(one) == abs(other)
    divisor = math.gcd(one, other) if easy else 1
    divisor = divisor if other > 0 else -divisor
    return other // divisor, -one // divisor


# A side is a list of terms: `(number,)`, or `(number, number)` for a product.


def _tidy(side):
    """Terms without the zero ones; products by one as numbers, sign first."""
    terms = []
    for term in side:
        value = math.prod(term)
        if not value:
            continue
        if len(term) == 2 and all(abs(factor) > 1 for factor in term):
            size = [abs(factor) for factor in term]
            terms.append((size[0] if value > 0 else -size[0], size[1]))
        else:
            terms.append((value,))
    return terms


def _products(left, name: str, right) -> str:
    """`(2*3 + 28*5)*d = 155*3 - 239*5`."""
    if len(left) == 1 and len(left[0]) == 1:
        factor = signed_sum([(left[0][0], name)])
    elif len(left) == 1:
        factor = f"{_side(left)}*{name}"
    else:
        factor = f"({_side(left)})*{name}"
    return f"{factor} = {_side(right)}"


def _side(terms) -> str:
    return signed_sum([(t[0], str(t[1]) if len(t) > 1 else "") for t in terms])


def _carry_out(side) -> bool:
    """Carries out one sum or product of a side, in place, if one is left.

    A product of two numbers of several digits is parted into products by a
    single digit.
    """
    if len(side) > 1 and len(side[0]) == len(side[1]) == 1:
        total = side[0][0] + side[1][0]
        side[:2] = [(total,)] if total else []
        return True
    for index, term in enumerate(side):
        if len(term) == 2:
            side[index : index + 1] = _multiply(*term)
            return True
    return False


def _multiply(one: int, other: int):
    """`-239*45` as `-239*40 - 239*5`; `-239*40` as `-9560`."""
    sign = 1 if one > 0 else -1
    long, short = sorted(
        (abs(one), other), key=working.significant, reverse=True
    )
    if working.significant(short) == 1:
        return [(one * other,)]
    digits = str(short)
    parts = [
        int(digit) * 10 ** (len(digits) - 1 - place)
        for place, digit in enumerate(digits)
        if digit != "0"
    ]
    return [
        (sign * long, part) if part > 1 else (sign * long,) for part in parts
    ]


def _quotient(
    name: str, factor: int, rest: int, rng: random.Random
) -> list[str]:
    """Solves `factor*name = rest`, a digit of the quotient at a time."""
    if factor == -1:
        return [f"{name} = {-rest}"]
    return _divide(name, factor, rest, rng)
