"""The value of an expression without unknowns, given as text."""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import NamedTuple

from jaxlrm.verify.answers import numerical
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.rational import rational
from jaxlrm.verify.answers.syntax import Tree, names, parse_answer


class Value(NamedTuple):
    """Of a side in one reading.

    Attributes:
        number: exact, or near an irrational one.
        exact: is it?
        tree: what was read.
    """

    number: Fraction
    exact: bool
    tree: Tree


@functools.lru_cache(maxsize=4096)
def value_of(text: str) -> Value | None:
    """The value of a text without unknowns; None where it has none."""
    try:
        tree = _based(parse_answer(text))
        try:
            return Value(Fraction(rational(tree)), True, tree)
        except ZeroDivisionError:
            return None
        except NotParsed:
            if names(tree) - {"pi"}:
                return None
            return Value(Fraction(numerical.nearest(tree)), False, tree)
    except (
        NotParsed,
        ZeroDivisionError,
        RecursionError,
        OverflowError,
        ValueError,
    ):
        return None


def _based(tree: Tree) -> Tree:
    """Numbers of other bases by their values."""
    kind = tree[0]
    if kind == "base":
        return ("n", int(tree[1], tree[2]), None)
    if kind in ("+", "*", "/", "^"):
        return (kind, _based(tree[1]), _based(tree[2]))
    if kind == "-":
        return ("-", _based(tree[1]))
    return tree
