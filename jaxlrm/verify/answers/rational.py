"""Exact rational values of expressions without variables."""

from __future__ import annotations

import math
from fractions import Fraction

from jaxlrm.verify.answers.exact import BITS, NotParsed
from jaxlrm.verify.answers.syntax import Tree

FACTORIAL = 500
BINOMIAL = 2000


class Irrational(NotParsed):
    """The expression has variables or is not rational."""


def rational(tree: Tree) -> int | Fraction:
    """The value of an expression.

    Every power, factorial and binomial is bounded before it is computed.

    Raises:
        Irrational: there is no rational value that this can compute.
        NotParsed: over a budget.
        ZeroDivisionError: it divides by zero.
    """
    kind = tree[0]
    if kind == "n":
        return tree[1]
    if kind == "-":
        return -rational(tree[1])
    if kind in "+*/":
        left, right = rational(tree[1]), rational(tree[2])
        if kind == "+":
            value = left + right
        elif kind == "*":
            value = left * right
        else:
            value = Fraction(left) / right
        return _bounded(value)
    if kind == "^":
        return _power(rational(tree[1]), rational(tree[2]))
    if kind == "f":
        return _function(tree[1], tree[2])
    raise Irrational(f"no rational number: {kind}")


def _bounded(value: int | Fraction) -> int | Fraction:
    if _bits(value) > BITS:
        raise NotParsed(f"a number of more than {BITS} bits")
    return value


def _bits(value: int | Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _power(base: int | Fraction, exponent: int | Fraction) -> int | Fraction:
    if exponent.denominator != 1:
        root = _root(base, exponent.denominator)
        return _power(root, exponent.numerator)
    size = int(exponent)
    if size <= 0 and base == 0:
        raise ZeroDivisionError("a power of zero")
    if base in (0, 1, -1):
        return base if size % 2 else base * base
    if abs(size) * _bits(base) > BITS:
        raise NotParsed(f"a power of more than {BITS} bits")
    return Fraction(base) ** size if size < 0 else base**size


def _root(base: int | Fraction, degree: int | Fraction) -> int | Fraction:
    """An exact root; of negative numbers where the degree is odd."""
    if degree.denominator != 1 or not 1 <= degree <= 64:
        raise Irrational("a root of this degree")
    degree = int(degree)
    if base < 0:
        if degree % 2 == 0:
            raise Irrational("an even root of a negative number")
        return -_root(-base, degree)
    top = _whole_root(base.numerator, degree)
    bottom = _whole_root(base.denominator, degree)
    return Fraction(top, bottom)


def _whole_root(number: int, degree: int) -> int:
    if degree == 2 or number < 2:
        root = math.isqrt(number)
    else:
        root = 1 << -(-number.bit_length() // degree)
        while True:  # Newton, from above
            power = root ** (degree - 1)
            following = ((degree - 1) * root + number // power) // degree
            if following >= root:
                break
            root = following
    if root**degree != number:
        raise Irrational("no perfect power")
    return root


def _function(name: str, arguments: tuple[Tree, ...]) -> int | Fraction:
    values = [rational(argument) for argument in arguments]
    if name == "root":
        return _root(*values)
    if name == "abs":
        return abs(values[0])
    if name == "floor":
        return math.floor(values[0])
    if name == "ceil":
        return math.ceil(values[0])
    whole = all(value.denominator == 1 and value >= 0 for value in values)
    if name == "factorial" and whole:
        if values[0] > FACTORIAL:
            raise NotParsed(f"a factorial of more than {FACTORIAL}")
        return math.factorial(int(values[0]))
    if name == "factorial2" and whole:
        if values[0] > FACTORIAL:
            raise NotParsed(f"a factorial of more than {FACTORIAL}")
        return math.prod(range(int(values[0]), 1, -2))
    if name == "binomial" and whole:
        if values[0] > BINOMIAL:
            raise NotParsed(f"a binomial coefficient over {BINOMIAL}")
        return _bounded(math.comb(int(values[0]), int(values[1])))
    if name in ("max", "min") and values:
        return (max if name == "max" else min)(values)
    if name == "mod" and len(values) == 2:
        return values[0] % values[1]
    if name in ("gcd", "lcm") and whole:
        return getattr(math, name)(*map(int, values))
    raise Irrational(f"{name} of rational numbers")
