"""Compares sets of real numbers, piece by piece."""

from __future__ import annotations

from jaxlrm.verify.answers.equivalence.base import BaseComparer
from jaxlrm.verify.answers.equivalence.simplified import PLAIN
from jaxlrm.verify.answers.regions import Region, region
from jaxlrm.verify.answers.syntax import Tree, names
from jaxlrm.verify.verdict import Verdict, combine


def compare_regions(
    comparer: BaseComparer, answer: Tree, gold: Tree, nesting: int
) -> Verdict | None:
    """Two sets of real numbers; None where one of the trees is none."""
    one, other = region(_numbers(answer)), region(_numbers(gold))
    if one is None or other is None:
        return None
    if one.name and other.name and one.name != other.name:
        # b > a is about both of them.
        bounded = answer[0] == gold[0] == "rel" and (
            one.name in names(gold) and other.name in names(answer)
        )
        return None if bounded else Verdict.INVALID
    return _pieces(comparer, one, other, nesting)


def _pieces(
    comparer: BaseComparer, one: Region, other: Region, nesting: int
) -> Verdict:
    if len(one.pieces) != len(other.pieces):
        return Verdict.INVALID
    verdicts = []
    for a, b in zip(one.pieces, other.pieces, strict=True):
        shapes = (a.low_closed, a.high_closed)
        if shapes != (b.low_closed, b.high_closed):
            return Verdict.INVALID
        verdicts.append(comparer.compare(a.low, b.low, nesting - 1))
        verdicts.append(comparer.compare(a.high, b.high, nesting - 1))
    return combine(verdicts)


def _numbers(tree: Tree) -> Tree:
    """A number or a list of them as a set, for comparison with intervals."""
    if tree[0] == "rel" and set(tree[1]) == {"="}:
        return tree
    if tree[0] == "list" and all(item[0] in PLAIN for item in tree[1]):
        return ("set", tree[1])
    if tree[0] in PLAIN:
        return ("set", (tree,))
    return tree
