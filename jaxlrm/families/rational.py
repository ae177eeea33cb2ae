"""Arithmetic with fractions: `What is (-303)/(-70) - 1052/(-14728)?`

Phrasing and size distribution of `arithmetic__mixed` and
`arithmetic__mul_div_multiple` in DeepMind's mathematics dataset (Saxton et al.
2019) and of `basic_arithmetic` in reasoning-gym, written anew.
"""

from __future__ import annotations

import math
import random
import re
from fractions import Fraction

from jaxlrm import extend
from jaxlrm.families import task, working
from jaxlrm.verify.inputs import splits_numbers

_PHRASES = (
    "{}",
    "What is {}?",
    "Evaluate {}.",
    "Calculate {}.",
    "What is the value of {}?",
)
_PHRASE = re.compile(
    r"(?:What is the value of |What is |Evaluate |Calculate )?"
    r"([-+*/() 0-9]{1,400})[?.]?"
)


class RationalArithmetic(task.Numeric):
    """The family; with products and quotients, unlike `arithmetic`."""

    name = "rational"
    dead_ends = False

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        while True:
            if rng.random() < 0.35:
                node, stated = _basic(rng, level)
                text = f"Calculate {stated}."
            else:
                node = _mixed(rng, level)
                stated = render(node)
                text = rng.choice(_PHRASES).format(stated)
            steps = working.chain(node, stated)
            if _fits(steps):
                break
        # Which problems are drawn must not hang on the way they are worked.
        other = working.chain(node, stated, random.Random(text))
        steps = other if _fits(other) else steps
        value = working.value(node)
        return extend.Problem(text, str(value), self.name, tuple(steps))

    def statement(self, text: str) -> str | None:
        match = _PHRASE.fullmatch(extend.question(text))
        if match is None or not re.search("[0-9]", match[1]):
            return None
        if splits_numbers(match[1]):
            return None
        return match[1].strip()


def _fits(steps: list[str]) -> bool:
    return 0 < len(steps) <= 64 and max(map(len, steps)) <= 120


# --- As DeepMind's ----------------------------------------------------------


def _mixed(rng: random.Random, level: int):
    sums = rng.random() < 0.5
    entropy = task.entropy(rng, level)
    value_entropy = max(1.0, entropy / 4)
    value = Fraction(task.integer(rng, value_entropy))
    if rng.random() < 0.5:
        bottom = task.positive(rng, value_entropy / 2)
        value = Fraction(task.integer(rng, value_entropy / 2), bottom)
    entropy = max(1.0, entropy - value_entropy)
    most = 3 + int(entropy / 2)
    length = rng.randint(3, most)
    entropy -= math.log10(most - 2)
    catalan = math.comb(2 * length, length) // (length + 1)
    return _split(rng, value, length, entropy + math.log10(catalan), sums)


def _split(rng, value: Fraction, count: int, entropy: float, sums: bool):
    """An expression of about `count` operations that comes to `value`."""
    if count <= 0:
        if value.denominator == 1:
            return int(value)
        return ("/", value.numerator, value.denominator)
    here = max(0.0, entropy / count)
    kinds = ["/"]
    if count > 1 or value.denominator == 1:
        kinds += ["*"] * (count > 1)
        kinds += ["+", "-"] * sums
    kind = rng.choice(kinds)
    if kind in ("+", "-"):
        other = Fraction(task.integer(rng, here))
        if count >= 4:
            other /= task.positive(rng, here / 3)
        pair = (other, value - other if kind == "+" else other - value)
        if rng.random() < 0.5:
            pair = (value - other if kind == "+" else value + other, other)
    elif count == 1:
        by = 0
        while by == 0:
            by = task.integer(rng, here)
        return ("/", value.numerator * by, value.denominator * by)
    else:
        by = Fraction(task.positive(rng, here) * rng.choice((1, -1)))
        if count >= 3 and rng.random() < 0.7:
            by /= task.positive(rng, here / 2)
        if kind == "/" and value and rng.random() < 0.5:
            pair = (by, by / value)
        elif kind == "/":
            pair = (value * by, by)
        else:
            pair = (value / by, by)
        if kind == "*" and rng.random() < 0.5:
            pair = pair[::-1]
    left, right = pair
    fractions = [part.denominator != 1 for part in pair]
    counts = task.composition(rng, 2, max(0, count - 1 - sum(fractions)))
    counts = [n + f for n, f in zip(counts, fractions, strict=True)]
    rest = task.dirichlet(rng, counts)
    parts = [
        _split(rng, part, n, share * (entropy - here), sums)
        for part, n, share in zip((left, right), counts, rest, strict=True)
    ]
    return (kind, *parts)


def render(node) -> str:
    """As DeepMind prints: `(-6)/(-18)`, `4 - -5`, `2*-3`."""
    if isinstance(node, int):
        return str(node)
    operator, left, right = node
    one, other = render(left), render(right)
    if operator in ("+", "-"):
        if (
            operator == "-"
            and isinstance(right, tuple)
            and right[0] in ("+", "-")
        ):
            other = f"({other})"
        elif isinstance(right, tuple) and right[0] in ("+", "-"):
            other = f"({other})"
        return f"{one} {operator} {other}"
    is_sum = isinstance(left, tuple) and left[0] in ("+", "-")
    if is_sum or (operator == "/" and one.startswith("-")):
        one = f"({one})"
    elif operator == "/" and isinstance(left, tuple) and left[0] == "/":
        one = f"({one})"
    if isinstance(right, tuple) or (operator == "/" and right < 0):
        other = f"({other})"
    return f"{one}{operator}{other}"


# --- As reasoning-gym's -----------------------------------------------------


def _basic(rng: random.Random, level: int):
    """`( 56 + -33 ) - 84` with a quotient only where it is whole."""
    terms = rng.randint(2, (3, 4, 5, 6, 6, 8, 10)[level - 1])
    digits = rng.randint(1, (2, 2, 3, 4, 4, 4, 5)[level - 1])
    brackets = rng.random() < 0.5
    if brackets:
        node = _negated(rng, _bracketed(rng, terms, digits))
    else:
        node = _flat(rng, terms, digits)
    stated = _spaced(node, brackets)
    if brackets and isinstance(node, tuple) and rng.random() < 0.15:
        stated = f"( {stated} )"
    return node, stated


def _draw(rng: random.Random, digits: int) -> int:
    low = 0 if digits == 1 else 10 ** (digits - 1)
    number = rng.randint(low, 10**digits - 1)
    return number if rng.random() < 0.5 else -number


def _flat(rng: random.Random, terms: int, digits: int):
    """A sum of products: what a line without brackets says."""
    total = product = None
    sign = "+"
    for index in range(terms):
        number = _draw(rng, digits)
        kind = rng.choice("+-*/") if index else "+"
        if kind == "/":
            number = _divisor(rng, product)
            kind = "/" if number else "*"
            number = number or _draw(rng, digits)
        if kind in "*/":
            product = (kind, product, number)
            continue
        if product is not None:
            total = product if total is None else (sign, total, product)
        sign, product = kind, number
    return product if total is None else (sign, total, product)


def _bracketed(rng: random.Random, terms: int, digits: int):
    if terms <= 1:
        return _draw(rng, digits)
    share = rng.randint(1, terms - 1)
    left = _bracketed(rng, share, digits)
    right = _bracketed(rng, terms - share, digits)
    left, right = _negated(rng, left), _negated(rng, right)
    kind = rng.choice("+-*/")
    if kind == "/":
        right = _divisor(rng, left)
        if not right:
            kind, right = "*", _draw(rng, digits)
    return (kind, left, right)


def _negated(rng: random.Random, node):
    """The negative of some bracketed expressions."""
    if isinstance(node, tuple) and rng.random() < 0.25:
        return ("neg", node)
    return node


def _divisor(rng: random.Random, node) -> int:
    """A divisor of what `node` comes to, 0 if that is no easy number."""
    value = working.value(node)
    if value.denominator != 1 or value == 0 or abs(value) > 10**6:
        return 0
    size = abs(int(value))
    small = [d for d in range(1, min(size, 100) + 1) if size % d == 0]
    return rng.choice(small)


def _spaced(node, brackets: bool) -> str:
    if isinstance(node, int):
        return str(node)
    if node[0] == "neg":
        return f"-( {_spaced(node[1], brackets)} )"
    operator, left, right = node
    one, other = _spaced(left, brackets), _spaced(right, brackets)
    if brackets:
        if isinstance(left, tuple) and _weak(left, operator, False):
            one = f"( {one} )"
        if isinstance(right, tuple) and _weak(right, operator, True):
            other = f"( {other} )"
    return f"{one} {operator} {other}"


def _weak(node, outer: str, right: bool) -> bool:
    if node[0] == "neg":
        return False
    if node[0] in ("+", "-"):
        return outer in "*/" or right
    return right and outer in "*/"
