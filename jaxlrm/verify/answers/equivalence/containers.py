"""Compares lists and sets, whose order has no meaning."""

from __future__ import annotations

from jaxlrm.verify.answers.equivalence.assignments import (
    assignment,
    is_system,
    solved,
    unknowns,
    unpacked,
)
from jaxlrm.verify.answers.equivalence.base import BaseComparer
from jaxlrm.verify.answers.equivalence.simplified import PLAIN
from jaxlrm.verify.answers.equivalence.vectors import compare_tuples
from jaxlrm.verify.answers.syntax import Tree
from jaxlrm.verify.verdict import Verdict, combine, decided

REALS: Tree = ("group", "()", (("-", ("v", "oo")), ("v", "oo")))


def compare_lists(
    comparer: BaseComparer, answer: Tree, gold: Tree, nesting: int
) -> Verdict:
    """Unordered lists and sets, as multisets."""
    one, other = _without_conditions(answer), _without_conditions(gold)
    if (one, other) != (answer, gold):
        return comparer.compare(one, other, nesting - 1)
    answer = _printed_list(answer, gold)
    golds, answers = _items(gold), _items(answer)
    others = answers if gold[0] == "group" else golds
    # A tuple and a list of tuples are two lists.
    if "group" in (gold[0], answer[0]):
        if not any(item[0] == "group" for item in others):
            return _assignments(comparer, answer, gold, nesting)
    answers, golds = unpacked(answers), unpacked(golds)
    if is_system(answers) and is_system(golds):
        answers, golds = solved(answers), solved(golds)
    if len(answers) != len(golds):
        if gold[0] == "set" or answer[0] == "set":
            answers, golds = (
                _distinct(comparer, answers),
                _distinct(comparer, golds),
            )
        if len(answers) != len(golds):
            return _one_answer(comparer, answer, answers, golds, nesting)
    return _match(comparer, answers, golds, nesting - 1)


def _one_answer(
    comparer: BaseComparer, answer: Tree, answers, golds, nesting: int
) -> Verdict:
    """`3/5 or 60%` is one answer, `5 or 6` is not."""
    if len(golds) != 1 or answer[0] != "list" or answer[2] != {"or"}:
        return Verdict.INVALID
    verdicts = {comparer.compare(a, golds[0], nesting - 1) for a in answers}
    return decided(verdicts == {Verdict.VALID})


def _distinct(comparer: BaseComparer, items: list[Tree]) -> list[Tree]:
    kept: list[Tree] = []
    for item in dict.fromkeys(items):
        if not any(
            comparer.compare(item, other, 1) is Verdict.VALID for other in kept
        ):
            kept.append(item)
    return kept


def _assignments(
    comparer: BaseComparer, answer: Tree, gold: Tree, nesting: int
) -> Verdict:
    """`x = 1, y = 2` against `(1, 2)`; lists against tuples."""
    group, other = (gold, answer) if gold[0] == "group" else (answer, gold)
    items = _items(other)
    if not is_system(items):
        if len(items) != len(group[2]):
            return Verdict.INVALID
        if answer[0] == "group" and gold[0] in ("list", "set"):
            if answer[1] == "[]" and not _may_be_interval(answer, gold):
                # A list as Python prints it.
                return _match(comparer, list(answer[2]), items, nesting - 1)
        # Whether 1, 2 was meant as (1, 2) is not known.
        verdict = combine(
            comparer.compare(a, g, nesting - 1)
            for a, g in zip(items, group[2], strict=True)
        )
        if verdict is Verdict.VALID and gold[0] == "list":
            return verdict  # brackets around a list
        return (
            Verdict.UNKNOWN
            if verdict is Verdict.VALID or other[0] == "list"
            else Verdict.INVALID
        )
    items = solved(items)
    named = sorted(items, key=lambda item: assignment(item)[0])
    if len(named) != len(group[2]):
        return Verdict.INVALID
    values = tuple(assignment(item)[1][0][0] for item in named)
    ordered = ("group", group[1], values)
    if gold[0] == "group":
        return compare_tuples(comparer, ordered, gold, nesting)
    return compare_tuples(comparer, answer, ordered, nesting)


def _printed_list(answer: Tree, gold: Tree) -> Tree:
    """`[(1, 2), (3, 4)]`, as Python prints it, for a list of tuples."""
    if answer[0] != "group" or answer[1] != "[]" or gold[0] != "list":
        return answer
    if any(item[0] != "group" for item in (*answer[2], *gold[1])):
        return answer
    return ("list", answer[2], frozenset((",",)))


def _may_be_interval(answer: Tree, gold: Tree) -> bool:
    """[2, 3] for {2, 3}: of two numbers, and two others where it is a set."""
    return gold[0] == "set" and len(answer[2]) == 2


def _match(comparer: BaseComparer, answers, golds, nesting: int) -> Verdict:
    """As multisets; greedy, since equality is transitive."""
    left = list(answers)
    verdicts = []
    for gold in golds:
        found = Verdict.INVALID
        for index, answer in enumerate(left):
            if (answer[0] == "set") != (gold[0] == "set"):
                continue  # {5} may stand for 5, but not within a set
            verdict = comparer.compare(answer, gold, nesting)
            if verdict is Verdict.VALID:
                del left[index]
                found = verdict
                break
            if verdict is not Verdict.INVALID:
                found = Verdict.UNKNOWN
        verdicts.append(found)
        if found is Verdict.INVALID:
            return found
    return combine(verdicts)


def _without_conditions(tree: Tree) -> Tree:
    r"""The value of `x + 1, x != 1` and of `f(x) = 2x, x \in R`.

    Other trees as they are: in `x^2 = 4, x != 2` the condition counts.
    """
    if tree[0] != "list" or not _is_value(tree[1][0]):
        return tree
    value, *rest = tree[1]
    return value if all(map(_excludes_points, rest)) else tree


def _is_value(tree: Tree) -> bool:
    """Is it a value, or a function of something given by its formula?"""
    if tree[0] in PLAIN:
        return True
    values = assignment(tree)[1]
    return len(values) == 1 and bool(unknowns(values[0][0]))


def _excludes_points(tree: Tree) -> bool:
    """Is it a condition that at most single points fail?"""
    if tree[0] != "rel" or tree[1] not in (("!=",), ("in",)):
        return False
    return tree[1] == ("!=",) or tree[2][1] == REALS


def _items(tree: Tree) -> list[Tree]:
    if tree[0] in ("list", "set"):
        return list(tree[1])
    return [tree]
