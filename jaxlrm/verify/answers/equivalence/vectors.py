"""Compares tuples, intervals as they are written, matrices and vectors."""

from __future__ import annotations

from jaxlrm.verify.answers.equivalence.base import BaseComparer
from jaxlrm.verify.answers.equivalence.simplified import PLAIN
from jaxlrm.verify.answers.scalars import renamed
from jaxlrm.verify.answers.syntax import Tree, names
from jaxlrm.verify.verdict import Verdict, combine

_BASIS = tuple(("v", f"hat({('v', name)!r})") for name in "ijk")
_ZERO, _ONE = ("n", 0, None), ("n", 1, None)


def compare_tuples(
    comparer: BaseComparer, answer: Tree, gold: Tree, nesting: int
) -> Verdict:
    """Tuples, vectors and matrices, part by part."""
    answer, gold = _as_matrix(answer, gold), _as_matrix(gold, answer)
    answer, gold = _components(answer, gold), _components(gold, answer)
    one, other = _vector(answer), _vector(gold)
    if answer[0] == gold[0] == "matrix":
        rows, right = answer[1], gold[1]
        if len(rows) != len(right) or len(rows[0]) != len(right[0]):
            return Verdict.INVALID
        pairs = [
            (a, b)
            for row, gold_row in zip(rows, right, strict=True)
            for a, b in zip(row, gold_row, strict=True)
        ]
    elif one is None or other is None:
        return _not_both_tuples(answer, gold)
    else:
        if answer[0] == gold[0] == "group" and not _same_shape(
            answer[1], gold[1], len(other)
        ):
            return Verdict.INVALID
        if len(one) != len(other):
            return Verdict.INVALID
        pairs = list(zip(one, other, strict=True))
    return combine(comparer.compare(a, b, nesting - 1) for a, b in pairs)


def _not_both_tuples(answer: Tree, gold: Tree) -> Verdict:
    for tree in (answer, gold):
        if tree[0] not in ("group", "matrix") and tree[0] not in PLAIN:
            return Verdict.UNKNOWN
        # A product of matrices has a value that is not computed.
        if tree[0] in PLAIN and tree[0] not in ("n", "-", "/"):
            return Verdict.UNKNOWN
    return Verdict.INVALID


def _as_matrix(tree: Tree, other: Tree) -> Tree:
    """`[[1, 2], [3, 4]]` where the other one is a matrix."""
    if tree[0] != "group" or other[0] != "matrix":
        return tree
    rows = tree[2]
    if any(row[0] != "group" or len(row[2]) != len(rows[0][2]) for row in rows):
        return tree
    return ("matrix", tuple(row[2] for row in rows))


def _components(tree: Tree, other: Tree) -> Tree:
    """A vector in unit vectors as a tuple, where the other one is one."""
    vector = _vector(other)
    if tree[0] not in PLAIN or vector is None or len(vector) not in (2, 3):
        return tree
    if not any(name[1] in names(tree) for name in _BASIS[: len(vector)]):
        return tree
    parts = []
    for chosen in _BASIS[: len(vector)]:
        part = tree
        for name in _BASIS:
            part = renamed(part, name, _ONE if name == chosen else _ZERO)
        parts.append(part)
    return ("group", "<>" if other[0] == "matrix" else other[1], tuple(parts))


def _vector(tree: Tree) -> tuple[Tree, ...] | None:
    if tree[0] == "group":
        return tree[2]
    if tree[0] == "matrix":
        rows = tree[1]
        if len(rows) == 1:
            return rows[0]
        if len(rows[0]) == 1:
            return tuple(row[0] for row in rows)
    return None


def _same_shape(one: str, other: str, size: int) -> bool:
    """Are two kinds of brackets the same for a tuple of this size?"""
    if one == other:
        return True
    vectors = {one, other} <= {"()", "<>"}
    return vectors or (size > 2 and {one, other} <= {"()", "<>", "[]"})
