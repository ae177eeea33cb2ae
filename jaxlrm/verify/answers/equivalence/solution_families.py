"""Compares families of solutions: `x = 3k` for all integers k."""

from __future__ import annotations

from jaxlrm.verify.answers import numerical
from jaxlrm.verify.answers.equivalence.base import BaseComparer
from jaxlrm.verify.answers.equivalence.simplified import PLAIN
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.scalars import degree, renamed
from jaxlrm.verify.answers.syntax import Tree, names
from jaxlrm.verify.verdict import Verdict

_INTEGERS = ("v", "set Z")
# Names that mean whole numbers where nobody says so.
_USUAL = ("k", "n", "m", "l")
_LARGEST = 10**6  # of a shift between two families


class Family:
    """The values of an expression for all integers.

    Attributes:
        value: an expression.
        name: the variable in it that runs through the integers.
        solved: the unknown that has these values; "" for a plain set.
    """

    __slots__ = ("name", "solved", "value")

    def __init__(self, value: Tree, name: str, solved: str):
        self.value = value
        self.name = name
        self.solved = solved


def families(tree: Tree) -> list[Family] | None:
    """The families that a tree describes; None for other trees."""
    if tree[0] == "builder":
        conditions = _items(tree[2])
        if tree[1][0] == "rel":
            return None
        solved = [c for c in conditions if c[:2] == ("rel", ("=",))]
        rest = [c for c in conditions if c not in solved]
        if len(solved) > 1 or len(rest) != 1:
            return None
        if solved:
            name, value = solved[0][2]
            if name != tree[1]:
                return None
        else:
            value = tree[1]
        values = [("rel", ("=",), (("v", ""), value))]
        return _families(values, rest[0])
    items = _items(tree)
    if len(items) < 2:
        return None
    return _families(items[:-1], items[-1])


def _items(tree: Tree) -> list[Tree]:
    return list(tree[1]) if tree[0] in ("list", "set") else [tree]


def _families(values: list[Tree], condition: Tree) -> list[Family] | None:
    if condition[:2] != ("rel", ("in",)) or condition[2][1] != _INTEGERS:
        return None
    name = condition[2][0]
    if name[0] != "v":
        return None
    found = []
    for tree in values:
        solved = ""
        if tree[:2] == ("rel", ("=",)) and tree[2][0][0] == "v":
            solved, tree = tree[2][0][1], tree[2][1]
        if tree[0] not in PLAIN or name[1] not in names(tree):
            return None
        found.append(Family(tree, name[1], solved))
    return found


def compare_families(
    comparer: BaseComparer, answer: Tree, gold: Tree
) -> Verdict | None:
    """Two sets of families; None where neither of the trees is one.

    One that does not say what its `k` is may be compared with one that does.
    """
    answers, golds = families(answer), families(gold)
    if answers is None and golds is None:
        return None
    answers = answers or _unsaid(answer)
    golds = golds or _unsaid(gold)
    if not answers or not golds or len(answers) != len(golds):
        return Verdict.UNKNOWN  # one family may be two others
    left = list(answers)
    whole = Verdict.VALID
    for one in golds:
        verdicts = [_compare(comparer, other, one) for other in left]
        if Verdict.VALID in verdicts:
            del left[verdicts.index(Verdict.VALID)]
        elif len(golds) > 1 or Verdict.UNKNOWN in verdicts:
            whole = Verdict.UNKNOWN
        else:
            return Verdict.INVALID
    return whole


def _unsaid(tree: Tree) -> list[Family] | None:
    """Families of the integers `k` or `n`, which the other answer names."""
    found = []
    for item in _items(tree):
        solved = ""
        if item[:2] == ("rel", ("=",)) and item[2][0][0] == "v":
            solved, item = item[2][0][1], item[2][1]
        if item[0] not in PLAIN:
            return None
        unknown = names(item) - {"pi", "e"}
        if len(unknown) != 1 or not unknown <= set(_USUAL):
            return None
        found.append(Family(item, *unknown, solved))
    return found


def _compare(comparer: BaseComparer, one: Family, other: Family) -> Verdict:
    if one.solved and other.solved and one.solved != other.solved:
        return Verdict.INVALID
    value = renamed(one.value, ("v", one.name), ("v", other.name))
    judge = comparer.judge
    if judge.values(value, other.value) is Verdict.VALID:
        return Verdict.VALID
    known = {other.name, "pi", "e"}
    for tree in (value, other.value):
        if names(tree) - known or degree(tree) != 1:
            return Verdict.UNKNOWN
    # a + b k for all k is c + d k for all k where b = ±d divides a - c.
    start, slope = _line(value, other.name)
    start_of_other, slope_of_other = _line(other.value, other.name)
    slopes = (
        judge.values(slope, slope_of_other),
        judge.values(("-", slope), slope_of_other),
    )
    if Verdict.VALID not in slopes:
        unequal = slopes == (Verdict.INVALID, Verdict.INVALID)
        return Verdict.INVALID if unequal else Verdict.UNKNOWN
    shift = ("+", start, ("-", start_of_other))
    try:
        steps = round(numerical.nearest(("/", shift, slope)))
    except (NotParsed, ZeroDivisionError, OverflowError, ValueError):
        return Verdict.UNKNOWN
    if abs(steps) > _LARGEST:
        return Verdict.UNKNOWN
    return judge.values(shift, ("*", ("n", steps, None), slope))


def _line(tree: Tree, name: str) -> tuple[Tree, Tree]:
    """The trees of a and b in a + b k."""
    at_zero, at_one = (
        renamed(tree, ("v", name), ("n", number, None)) for number in (0, 1)
    )
    return at_zero, ("+", at_one, ("-", at_zero))
