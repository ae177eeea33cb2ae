"""Compares equations that differ by a denominator: `x y = 6` and `y = 6/x`."""

from __future__ import annotations

from fractions import Fraction

from jaxlrm.verify.answers.exact import (
    ONE,
    Algebra,
    NotParsed,
    Polynomial,
    Ratio,
    Value,
    negate,
    proportional,
)
from jaxlrm.verify.answers.syntax import Tree


def same_solutions(one: Tree, other: Tree) -> bool:
    """Have two equations the same solutions, once denominators are cleared?

    Their numerators are equal up to a factor, and no point where a
    denominator vanishes solves the cleared equation: clearing adds nothing.

    Args:
        one, other: left side minus right side.

    Returns:
        True where this is shown.
    """
    try:
        first, second = _quotient(one), _quotient(other)
    except (NotParsed, ZeroDivisionError):
        return False
    if not proportional(first.top, second.top):
        return False
    return all(
        _have_no_common_zero(first.top, bottom)
        for bottom in (first.bottom, second.bottom)
    )


def _quotient(tree: Tree) -> Ratio:
    algebra = Algebra()
    value = _value(algebra, tree)
    if not isinstance(value, Ratio) or algebra.cancelled:
        raise NotParsed("no quotient of polynomials that shows its poles")
    return value


def _value(algebra: Algebra, tree: Tree) -> Value:
    kind = tree[0]
    if kind == "n":
        return tree[1]
    if kind == "v":
        if tree[1] in ("i", "e", "pi", "oo"):
            raise NotParsed("a constant")
        return Ratio({((tree[1], 1),): 1}, ONE)
    if kind == "-":
        return negate(_value(algebra, tree[1]))
    if kind in ("+", "*", "/", "^"):
        left, right = (_value(algebra, part) for part in tree[1:])
        operation = {
            "+": algebra.add,
            "*": algebra.multiply,
            "/": algebra.divide,
            "^": algebra.power,
        }[kind]
        return operation(left, right)
    raise NotParsed(f"no rational function: {kind}")


def _have_no_common_zero(top: Polynomial, bottom: Polynomial) -> bool:
    """Is that certain? Asked of monomials and of `x + a` only."""
    names = {name for monomial in bottom for name, _ in monomial}
    if not names:
        return True
    if len(bottom) == 1:
        points = [(name, 0) for name in names]
    elif len(names) == 1 and len(bottom) == 2 and () in bottom:
        (name,) = names
        slope = bottom.get(((name, 1),))
        if not slope:
            return False
        points = [(name, -Fraction(bottom[()]) / slope)]
    else:
        return False
    algebra = Algebra()
    for name, point in points:
        rest = algebra.substitute(top, name, point)
        if set(rest) != {()}:
            return False
    return True
