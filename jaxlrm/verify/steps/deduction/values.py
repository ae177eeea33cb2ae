"""Turns trees into exact values, and answers small questions about trees."""

from __future__ import annotations

import operator

from jaxlrm.verify.answers.exact import (
    ONE,
    Algebra,
    NotParsed,
    Ratio,
    Value,
    negate,
)
from jaxlrm.verify.answers.scalars import Judge
from jaxlrm.verify.answers.syntax import CONSTANTS, Tree
from jaxlrm.verify.steps.deduction.equations import Equation
from jaxlrm.verify.verdict import Verdict

ZERO: Tree = ("n", 0, None)
ORDERS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "!=": operator.ne,
}


def is_equation(tree: Tree) -> bool:
    """Is it one equation of two sides?"""
    return tree[:2] == ("rel", ("=",))


def difference(tree: Tree) -> Tree:
    """Left minus right of an equation."""
    return ("+", tree[2][0], ("-", tree[2][1]))


def equation(tree: Tree) -> Equation:
    """An equation of rational functions, read exactly.

    Raises:
        NotParsed: another one, or over a budget.
        ZeroDivisionError: it divides by zero.
    """
    algebra = Algebra()
    value = _value(difference(tree), algebra)
    return Equation(value, tuple(algebra.cancelled))


def _value(tree: Tree, algebra: Algebra) -> Value:
    kind = tree[0]
    if kind == "n":
        return tree[1]
    if kind == "v" and tree[1] not in CONSTANTS:
        return Ratio({((tree[1], 1),): 1}, ONE)
    if kind == "-":
        return negate(_value(tree[1], algebra))
    if kind in ("+", "*", "/", "^"):
        one, other = _value(tree[1], algebra), _value(tree[2], algebra)
        if kind == "+":
            return algebra.add(one, other)
        if kind == "*":
            return algebra.multiply(one, other)
        if kind == "/":
            return algebra.divide(one, other)
        return algebra.power(one, other)
    raise NotParsed(f"no rational function: {kind}")


def same(one: Tree, other: Tree) -> Verdict:
    """Are two values equal, none of them rounded?"""
    judge = Judge()
    first = judge.quantities(one, other)
    if first is not Verdict.VALID:
        return first
    # A decimal gold would accept what rounds to it.
    return judge.quantities(other, one)
