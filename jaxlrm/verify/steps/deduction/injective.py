"""Equations that have at most one real solution, seen by their form.

An unknown that is written once, within functions that take each value once
(roots, logarithms, powers of a number, odd powers), has one value at the most:
whoever found one found all.
"""

from __future__ import annotations

from jaxlrm.verify.answers import numerical
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.rational import rational
from jaxlrm.verify.answers.syntax import Tree, names

SIZE = 60  # nodes of an equation
_CALLS = frozenset(("ln", "log", "exp", "arctan", "sinh", "tanh", "arcsinh"))


def has_one_solution(left: Tree, right: Tree, name: str) -> bool:
    """Has `left = right` one real solution at the most?

    False also where that cannot be seen.
    """
    counts = _count(left, name), _count(right, name)
    if sorted(counts) != [0, 1]:
        return False
    return _is_injective(left if counts[0] else right, name)


def _count(tree: Tree, name: str) -> int:
    if tree == ("v", name):
        return 1
    return sum(
        _count(part, name) if part and type(part[0]) is str else 0
        for part in _parts(tree)
    )


def _parts(tree: Tree):
    for part in tree[1:]:
        if type(part) is tuple and part:
            if type(part[0]) is tuple:
                yield from part
            else:
                yield part


def _is_injective(tree: Tree, name: str) -> bool:
    """Does an expression that holds the name once take no value twice?"""
    if tree == ("v", name):
        return True
    kind = tree[0]
    if kind == "-":
        return _is_injective(tree[1], name)
    if kind == "+":
        return _is_injective(_part_with(tree, name), name)
    if kind in ("*", "/"):
        other = tree[1] if _count(tree[2], name) else tree[2]
        return _is_number(other) and _is_injective(_part_with(tree, name), name)
    if kind == "^":
        base, exponent = tree[1], tree[2]
        if _count(base, name):
            return _is_odd(exponent) and _is_injective(base, name)
        return _is_base(base) and _is_injective(exponent, name)
    if kind == "f" and tree[1] in _CALLS | {"root"}:
        first, *others = tree[2]
        return not any(_count(part, name) for part in others) and (
            _is_injective(first, name)
        )
    return False


def _part_with(tree: Tree, name: str) -> Tree:
    return tree[1] if _count(tree[1], name) else tree[2]


def _is_number(tree: Tree) -> bool:
    """Is it a number other than zero?"""
    try:
        return not names(tree) - {"pi", "e"} and (
            abs(numerical.nearest(tree)) > 1e-30
        )
    except (NotParsed, ZeroDivisionError):
        return False


def _is_base(tree: Tree) -> bool:
    if tree == ("v", "e"):
        return True
    try:
        base = rational(tree)
    except (NotParsed, ZeroDivisionError):
        return False
    return base > 0 and base != 1


def _is_odd(tree: Tree) -> bool:
    try:
        exponent = rational(tree)
    except (NotParsed, ZeroDivisionError):
        return False
    return exponent.denominator % 2 == 1 and exponent.numerator % 2 == 1
