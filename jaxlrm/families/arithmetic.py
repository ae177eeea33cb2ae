"""Chained sums and differences: `What is 86 + -80 - (-7 + 6)?`

Phrasing and size distribution of `arithmetic__add_sub_multiple` in DeepMind's
mathematics dataset (Saxton et al. 2019) and of `chain_sum` in reasoning-gym,
written anew.

A chain of thought rewrites the expression: each line carries out one
operation, in the first innermost bracket, from the left.
"""

from __future__ import annotations

import math
import random
import re

from jaxlrm import extend
from jaxlrm.families import task
from jaxlrm.verify.inputs import splits_numbers

_PHRASES = (
    "{}",
    "What is {}?",
    "Evaluate {}.",
    "Calculate {}.",
    "What is the value of {}?",
)
_CHAIN_SUM = "State the final answer to the following arithmetic problem: {} ="
_PHRASE = re.compile(
    r"(?:What is the value of |What is |Evaluate |Calculate "
    r"|State the final answer to the following arithmetic problem: )?"
    r"([-+() 0-9]{1,400})(?: =|[?.])?"
)

# An expression is a number or a tuple of (sign, expression) terms, summed.


class AddSubMultiple(task.Numeric):
    """The family."""

    name = "arithmetic"
    dead_ends = False

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        if rng.random() < 0.3:
            tree, phrase = _chain_sum(rng, level), _CHAIN_SUM
        else:
            tree = _nested(rng, task.entropy(rng, level))
            phrase = rng.choice(_PHRASES)
        steps, expression = [], tree
        while not isinstance(expression, int):
            expression = _reduce(expression)
            steps.append(render(expression))
        text = phrase.format(render(tree))
        return extend.Problem(text, steps[-1], self.name, tuple(steps))

    def statement(self, text: str) -> str | None:
        match = _PHRASE.fullmatch(extend.question(text))
        if match is None or not re.search("[0-9]", match[1]):
            return None
        if splits_numbers(match[1]):
            return None
        return match[1].strip()


def _chain_sum(rng: random.Random, level: int):
    """As reasoning-gym: numbers of as many digits, none negative."""
    digits = rng.randint(1, (1, 2, 3, 4, 4, 5, 6)[level - 1])
    terms = rng.randint(2, (3, 4, 5, 6, 6, 8, 10)[level - 1])
    low = 0 if digits == 1 else 10 ** (digits - 1)
    return tuple(
        (rng.choice((1, -1)) if index else 1, rng.randint(low, 10**digits - 1))
        for index in range(terms)
    )


def _nested(rng: random.Random, entropy: float):
    """As DeepMind: sums and differences in brackets."""
    value_entropy = max(1.0, entropy / 4)
    value = task.integer(rng, value_entropy)
    entropy = max(1.0, entropy - value_entropy)
    most = 3 + int(entropy / 2)
    length = rng.randint(3, most)
    entropy -= math.log10(most - 2)
    # Distinct trees that print alike: the Catalan number of the length.
    catalan = math.comb(2 * length, length) // (length + 1)
    return _sample(rng, value, length, entropy + math.log10(catalan))


def _sample(rng: random.Random, value: int, count: int, entropy: float):
    """An expression of `count` operations with this value."""
    if count == 0:
        return value
    here = max(0.0, entropy / count)
    other = task.integer(rng, here)
    sign = rng.choice((1, -1))
    if rng.random() < 0.5:
        pair = (other, sign * (value - other))
    else:
        pair = (value - sign * other, other)
    counts = task.composition(rng, 2, count - 1)
    entropies = [
        part * (entropy - here) for part in task.dirichlet(rng, counts)
    ]
    left, right = (
        _sample(rng, *arguments)
        for arguments in zip(pair, counts, entropies, strict=True)
    )
    if sign > 0:  # sums flatten into sums; a difference keeps its bracket
        return (*_terms(left, sums_only=True), *_terms(right, sums_only=True))
    return (*_terms(left, sums_only=False), (-1, right))


def _terms(expression, *, sums_only: bool):
    """The terms of `expression` where it may stand without a bracket."""
    if isinstance(expression, int):
        return ((1, expression),)
    if sums_only and any(sign < 0 for sign, _ in expression):
        return ((1, expression),)
    return expression


def render(expression) -> str:
    """`((1, 4), (-1, ((1, 7), (1, -4))))` as `4 - (7 + -4)`."""
    if isinstance(expression, int):
        return str(expression)
    text = ""
    for index, (sign, term) in enumerate(expression):
        body = render(term) if isinstance(term, int) else f"({render(term)})"
        text += ("" if index == 0 else " + " if sign > 0 else " - ") + body
    return text


def _reduce(expression):
    """Carries out one operation: the first innermost one."""
    for index, (sign, term) in enumerate(expression):
        if not isinstance(term, int):
            reduced = (sign, _reduce(term))
            return expression[:index] + (reduced,) + expression[index + 1 :]
    (_, first), (sign, second), *rest = expression
    result = first + sign * second
    return ((1, result), *rest) if rest else result
