r"""Sets of real numbers: intervals, unions, inequalities, set-builders.

All are brought to one form, a sorted tuple of pieces, so that `x > 3`,
`(3, \infty)` and `\{x \mid 3 < x\}` can be compared.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from jaxlrm.verify.answers import numerical
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.rational import rational
from jaxlrm.verify.answers.scalars import degree, renamed
from jaxlrm.verify.answers.syntax import Tree, names

INFINITY: Tree = ("v", "oo")
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "!=": "!="}


class Piece(NamedTuple):
    """An interval; one point where the ends are equal and closed.

    Attributes:
        low: its lower end, an expression.
        low_closed: does it contain its lower end?
        high, high_closed: its upper end.
    """

    low: Tree
    low_closed: bool
    high: Tree
    high_closed: bool


class Region(NamedTuple):
    """A union of pieces.

    Attributes:
        pieces: disjoint and sorted, where their ends have values.
        name: the variable that an inequality is about; "" for a plain set.
    """

    pieces: tuple[Piece, ...]
    name: str


LINE = Piece(("-", INFINITY), False, INFINITY, False)


def is_written_as_region(tree: Tree) -> bool:
    """Is it certainly a set of numbers, not a point or a list?"""
    kind = tree[0]
    if kind == "rel":
        return any(op not in ("=", "~") for op in tree[1])
    if kind == "list":
        return any(is_written_as_region(item) for item in tree[1])
    if kind == "group":
        return tree[1] in ("(]", "[)", "][")
    return kind in ("builder", "cup", "cap", "minus")


def region(tree: Tree) -> Region | None:
    """The set of numbers that a tree describes; None for other trees."""
    try:
        return _region(tree)
    except (NotParsed, ZeroDivisionError):
        return None


def _region(tree: Tree) -> Region | None:
    kind = tree[0]
    if kind == "group" and len(tree[2]) == 2 and "<" not in tree[1]:
        low, high = tree[2]
        opening, closing = tree[1]
        piece = Piece(low, opening == "[", high, closing == "]")
        return Region((piece,), "")
    if kind == "set":
        points = (Piece(item, True, item, True) for item in tree[1])
        return Region(_sorted(points), "")
    if kind == "builder":
        return _builder(tree)
    if kind == "rel":
        return _relation(tree)
    if kind == "list":
        return _list(tree)
    if kind in ("cup", "cap", "minus"):
        one, other = _region(tree[1]), _region(tree[2])
        if one is None or other is None:
            return None
        if kind == "cup":
            return Region(_sorted(one.pieces + other.pieces), "")
        if kind == "minus":
            other = Region(_complement(other.pieces), "")
        return Region(_intersection(one.pieces, other.pieces), "")
    return None


def _builder(tree: Tree) -> Region | None:
    variable, condition = tree[1], tree[2]
    if variable[0] == "rel" and variable[1] == ("in",):
        variable = variable[2][0]
    if variable[0] != "v":
        return None
    inner = _region(condition)
    if inner is None or inner.name not in ("", variable[1]):
        return None
    return Region(inner.pieces, "")


def _relation(tree: Tree) -> Region | None:
    operators, sides = tree[1], tree[2]
    if operators == ("in",) and sides[0][0] == "v":
        inner = _region(sides[1])
        return None if inner is None else Region(inner.pieces, sides[0][1])
    name, pieces = "", (LINE,)
    for operator, left, right in zip(operators, sides, sides[1:], strict=False):
        if operator == "=":
            operator = "=="
        elif operator not in _FLIPPED:
            return None
        left, right, operator = _isolated(left, right, operator)
        if not _is_unknown(left):
            left, right = right, left
            operator = _FLIPPED.get(operator, operator)
        if left[0] == "f" and left[1] == "abs":
            inner = left[2][0]
            centre: Tree = ("n", 0, None)
            if inner[0] == "+" and inner[1][0] == "v":
                centre, inner = ("-", inner[2]), inner[1]
            if inner[0] != "v" or inner[1] in names(right):
                return None
            ball = _around(operator, centre, right)
            if ball is None or name not in ("", inner[1]):
                return None
            name, pieces = inner[1], _intersection(pieces, ball)
            continue
        if left[0] != "v" or (name and left[1] != name):
            return None
        name = left[1]
        if name in names(right):
            return None
        pieces = _intersection(pieces, _half_line(operator, right))
    return Region(pieces, name)


def _isolated(left: Tree, right: Tree, operator: str):
    """`x < 4` for `x + 1 < 5`, with the unknown on either side."""
    for side, other, sign in ((left, right, operator), (right, left, None)):
        if side[0] not in ("+", "*", "/", "-") or (names(other) - {"pi", "e"}):
            continue
        if sign is None:
            sign = _FLIPPED.get(operator, operator)
        linear = _linear(side)
        if linear is None:
            continue
        name, slope, shift = linear
        if slope < 0:
            sign = _FLIPPED.get(sign, sign)
        end = ("+", other, ("n", -shift, None)) if shift else other
        if slope != 1:
            end = ("/", end, ("n", slope, None))
        return ("v", name), end, sign
    return left, right, operator


def _linear(tree: Tree) -> tuple[str, Fraction, Fraction] | None:
    """The name, a and b of a x + b with rational numbers; else None."""
    if len(names(tree)) != 1 or degree(tree) != 1:
        return None
    (name,) = names(tree)
    try:
        shift, other = (
            Fraction(rational(renamed(tree, ("v", name), ("n", x, None))))
            for x in (0, 1)
        )
    except (NotParsed, ZeroDivisionError):
        return None
    return (name, other - shift, shift) if other != shift else None


def _is_unknown(tree: Tree) -> bool:
    if tree[0] == "v":
        return tree[1] not in ("oo", "e", "pi")
    return tree[0] == "f" and tree[1] == "abs"


def _around(
    operator: str, centre: Tree, radius: Tree
) -> tuple[Piece, ...] | None:
    """The solutions of |x − centre| < radius, or with > and the like."""
    low = ("+", centre, ("-", radius))
    high = ("+", centre, radius)
    if operator in ("<", "<="):
        closed = operator == "<="
        return (Piece(low, closed, high, closed),)
    if operator in (">", ">="):
        closed = operator == ">="
        return (
            Piece(("-", INFINITY), False, low, closed),
            Piece(high, closed, INFINITY, False),
        )
    return None


def _half_line(operator: str, end: Tree) -> tuple[Piece, ...]:
    low, high = ("-", INFINITY), INFINITY
    if operator in ("<", "<="):
        return (Piece(low, False, end, operator == "<="),)
    if operator in (">", ">="):
        return (Piece(end, operator == ">=", high, False),)
    if operator == "==":
        return (Piece(end, True, end, True),)
    return (Piece(low, False, end, False), Piece(end, False, high, False))


def _list(tree: Tree) -> Region | None:
    if any(item[0] != "rel" for item in tree[1]) and "or" not in tree[2]:
        return None
    parts = [_region(item) for item in tree[1]]
    if any(part is None for part in parts):
        return None
    named = {part.name for part in parts}
    if len(named) != 1:
        return None
    pieces = parts[0].pieces
    excluded = all(item[0] == "rel" and "!=" in item[1] for item in tree[1])
    for part in parts[1:]:
        if "or" in tree[2] and not excluded:
            pieces = _sorted(pieces + part.pieces)
        else:
            both = _intersection(pieces, part.pieces)
            # x < 1, x > 5 can only mean "or".
            empty = not both and "and" not in tree[2]
            pieces = _sorted(pieces + part.pieces) if empty else both
    return Region(pieces, named.pop())


def _value(end: Tree) -> float:
    if end == INFINITY:
        return math.inf
    if end == ("-", INFINITY):
        return -math.inf
    try:
        return float(rational(end))
    except (NotParsed, OverflowError):
        return numerical.nearest(end)


def _sorted(pieces) -> tuple[Piece, ...]:
    """Sorted, and joined where they touch; as they are if ends are unknown."""
    pieces = tuple(pieces)
    try:
        ordered = sorted(pieces, key=lambda piece: _value(piece.low))
        joined: list[Piece] = []
        for piece in ordered:
            if joined:
                last = joined[-1]
                end, start = _value(last.high), _value(piece.low)
                touching = last.high_closed or piece.low_closed
                if start < end or (start == end and touching):
                    joined[-1] = _join(last, piece)
                    continue
            joined.append(piece)
        return tuple(joined)
    except NotParsed:
        return pieces


def _join(one: Piece, other: Piece) -> Piece:
    """The union of two pieces that touch, `one` beginning first."""
    low_closed = one.low_closed
    if _value(one.low) == _value(other.low):
        low_closed = low_closed or other.low_closed
    first, second = _value(one.high), _value(other.high)
    if first > second:
        high, closed = one.high, one.high_closed
    elif first < second:
        high, closed = other.high, other.high_closed
    else:
        high, closed = one.high, one.high_closed or other.high_closed
    return Piece(one.low, low_closed, high, closed)


def _intersection(one, other) -> tuple[Piece, ...]:
    found = []
    for a in one:
        for b in other:
            low, low_closed = _later(
                a.low, a.low_closed, b.low, b.low_closed, 1
            )
            high, high_closed = _later(
                a.high, a.high_closed, b.high, b.high_closed, -1
            )
            if low in (INFINITY, ("-", INFINITY)) or high in (
                INFINITY,
                ("-", INFINITY),
            ):
                found.append(Piece(low, low_closed, high, high_closed))
                continue
            if _is_empty(low, high, low_closed and high_closed):
                continue
            found.append(Piece(low, low_closed, high, high_closed))
    return _sorted(found)


def _is_empty(low: Tree, high: Tree, closed: bool) -> bool:
    """Ends without values, as in `h - r < x < h + r`, enclose something."""
    try:
        start, end = _value(low), _value(high)
    except NotParsed:
        return False
    return start > end or (start == end and not closed)


def _later(a: Tree, a_closed: bool, b: Tree, b_closed: bool, sign: int):
    """The larger of two ends, or the smaller for sign −1."""
    unbounded = ("-", INFINITY) if sign == 1 else INFINITY
    if a == unbounded:
        return b, b_closed
    if b == unbounded:
        return a, a_closed
    first, second = sign * _value(a), sign * _value(b)
    if first == second:
        return a, a_closed and b_closed
    return (a, a_closed) if first > second else (b, b_closed)


def _complement(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    rest: tuple[Piece, ...] = (LINE,)
    for piece in pieces:
        outside = []
        if piece.low != ("-", INFINITY):
            outside.append(
                Piece(("-", INFINITY), False, piece.low, not piece.low_closed)
            )
        if piece.high != INFINITY:
            outside.append(
                Piece(piece.high, not piece.high_closed, INFINITY, False)
            )
        rest = _intersection(rest, tuple(outside))
    return rest
