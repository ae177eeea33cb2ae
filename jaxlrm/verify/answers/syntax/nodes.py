"""Nodes of a tree that take more than writing them down."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from jaxlrm.verify.answers.exact import DIGITS, NotParsed

Tree = tuple[Any, ...]
CONSTANTS = frozenset(("e", "pi", "i", "oo"))  # names with a value of their own


def literal(token: str) -> Tree:
    """A number as written, with how many decimals it has."""
    if len(token) > DIGITS:
        raise NotParsed(f"{len(token)} digits; at most {DIGITS} are read")
    if token.isdigit():
        return ("n", int(token), None)
    mantissa, _, exponent = token.lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    value = Fraction(int((whole + decimals) or "0"), 10 ** len(decimals))
    if exponent:
        value *= Fraction(10) ** int(exponent)
        places = len(decimals) - int(exponent)
        # The digits of a float say how exact it is.
        printed = len(decimals) >= 12 and places > 0
        return ("n", value, places if printed else None)
    if not decimals:
        return ("n", int(value), None)
    return ("n", value, len(decimals))


def power_of_ten(number: Fraction) -> Tree:
    """`10^6` for a million, where digits count; others as they are."""
    exponent = len(str(number)) - 1
    if number != 10**exponent:
        return ("n", int(number), None)
    return ("^", ("n", 10, None), ("n", exponent, None))


def determinant(matrix: Tree) -> Tree:
    """Written out for up to three rows."""
    rows = matrix[1]
    size = len(rows)
    if size != len(rows[0]) or not 2 <= size <= 3:
        return ("f", "det", (matrix,))
    total: Tree | None = None
    for column, item in enumerate(rows[0]):
        minor = tuple(row[:column] + row[column + 1 :] for row in rows[1:])
        inner = minor[0][0] if size == 2 else determinant(("matrix", minor))
        term = ("*", item, inner)
        if column % 2:
            term = ("-", term)
        total = term if total is None else ("+", total, term)
    return total


def names(tree: Tree) -> frozenset[str]:
    """The variables of an expression, `i`, `e` and `pi` among them."""
    found = set()
    stack = [tree]
    while stack:
        node = stack.pop()
        if node[0] == "v":
            found.add(node[1])
        for part in node[1:]:
            if type(part) is tuple and part:
                if type(part[0]) is str:
                    stack.append(part)
                else:
                    stack.extend(p for p in part if type(p) is tuple)
    return frozenset(found)


def unknowns(tree: Tree) -> frozenset[str]:
    """The variables of an expression that are no constants."""
    return names(tree) - CONSTANTS
