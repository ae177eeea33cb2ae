"""Compares equations, chains of them, and inequalities."""

from __future__ import annotations

from jaxlrm.verify.answers import numerical
from jaxlrm.verify.answers.equivalence.assignments import assignment
from jaxlrm.verify.answers.equivalence.base import BaseComparer
from jaxlrm.verify.answers.equivalence.denominators import same_solutions
from jaxlrm.verify.answers.equivalence.simplified import PLAIN
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.syntax import Tree, names, unknowns
from jaxlrm.verify.verdict import Verdict, any_of, combine, decided


def compare_relations(
    comparer: BaseComparer, answer: Tree, gold: Tree, nesting: int
) -> Verdict:
    """Two relations, or one and a value."""
    name, values = assignment(answer)
    gold_name, golds = assignment(gold)
    if name and gold_name:
        if _base_name(name) != _base_name(gold_name):
            # x = 5y and y = x/5 are the same line.
            if answer[1] == gold[1] == ("=",):
                return _equations(comparer, answer, gold)
            return Verdict.INVALID
        return _chains(comparer, values, golds, nesting)
    if gold_name and answer[0] != "rel":
        return _chains(comparer, [(answer, True)], golds, nesting)
    if name and gold[0] != "rel":
        return _chains(comparer, values, [(gold, True)], nesting)
    if gold[0] == "rel" and answer[0] == "rel":
        if gold_name and not unknowns(golds[0][0]):
            verdict = _equations(comparer, answer, gold)
            # An equation that is not solved answers no solved one.
            if verdict is Verdict.VALID and not _is_swapped(answer, gold):
                return Verdict.INVALID
            return verdict
        if set(answer[1]) <= {"="} and set(gold[1]) <= {"="}:
            return _equations(comparer, answer, gold)
        return _inequalities(comparer, answer, gold)
    if gold[0] == "rel":
        # 7 for 3 + 4 = 7: the end of a chain without unknowns.
        operators, sides = gold[1], gold[2]
        if operators[-1] == "~" and set(operators[:-1]) <= {"="}:
            return any_of(
                {comparer.compare(answer, side, nesting - 1) for side in sides}
            )
        if set(operators) <= {"="}:
            return _chain_end(comparer, answer, sides, nesting)
        return Verdict.UNKNOWN
    operators, sides = answer[1], answer[2]
    if set(operators) <= {"=", "~"} and gold[0] != "rel":
        chain = [(sides[0], True)]
        chain += [
            (side, operator == "=")
            for operator, side in zip(operators, sides[1:], strict=True)
        ]
        if len(unknowns(sides[0])) > 1:
            chain = chain[1:]  # m + n = 33 where 33 is asked for
        verdict = _chains(comparer, chain, [(gold, True)], nesting)
        if verdict is Verdict.VALID or not names(answer):
            return verdict
        return Verdict.UNKNOWN  # an equation where a value is asked for
    return Verdict.UNKNOWN


def _chain_end(
    comparer: BaseComparer, answer: Tree, sides, nesting: int
) -> Verdict:
    verdict = comparer.compare(answer, sides[-1], nesting - 1)
    if verdict is Verdict.VALID:
        first = comparer.compare(sides[0], sides[-1], nesting - 1)
        return verdict if first is Verdict.VALID else Verdict.UNKNOWN
    return Verdict.UNKNOWN


def _chains(comparer: BaseComparer, values, golds, nesting: int) -> Verdict:
    """`x = 10/2 = 5`: all values of the answer, any of the gold.

    What stands after an "approximately" in the answer must be near.
    """
    exact = [value for value, is_exact in values if is_exact]
    verdicts = []
    for value in exact or [value for value, _ in values]:
        found = set()
        for right, _ in golds:
            found.add(comparer.compare(value, right, nesting - 1))
            if Verdict.VALID in found:
                break
        verdicts.append(any_of(found))
    verdict = combine(verdicts)
    rounded = [value for value, is_exact in values if not is_exact]
    if verdict is Verdict.VALID and exact and rounded:
        near = (comparer.judge.is_near(part, exact[0]) for part in rounded)
        return Verdict.INVALID if False in near else verdict
    return verdict


def _equations(comparer: BaseComparer, answer: Tree, gold: Tree) -> Verdict:
    operators, sides = answer[1], answer[2]
    right_operators, right_sides = gold[1], gold[2]
    if operators != ("=",) or right_operators != ("=",):
        if operators == right_operators:
            return _each_side(comparer, sides, right_sides)
        return Verdict.UNKNOWN
    if any(side[0] not in PLAIN for side in (*sides, *right_sides)):
        return _each_side(comparer, sides, right_sides)
    one, other = _difference(sides), _difference(right_sides)
    if not (unknowns(one) and unknowns(other)):
        return combine(
            comparer.compare(side, right, 1)
            for side, right in zip(sides, right_sides, strict=True)
        )
    verdict = comparer.judge.equations(one, other)
    if verdict is Verdict.UNKNOWN and same_solutions(one, other):
        return Verdict.VALID
    return verdict


def _each_side(comparer: BaseComparer, sides, right_sides) -> Verdict:
    verdict = combine(
        comparer.compare(one, other, 1)
        for one, other in zip(sides, right_sides, strict=True)
    )
    return verdict if verdict is Verdict.VALID else Verdict.UNKNOWN


def _inequalities(comparer: BaseComparer, answer: Tree, gold: Tree) -> Verdict:
    """`y > 2x` and `2x - y < 0`."""
    answer, gold = _ascending(answer), _ascending(gold)
    if answer == gold:
        return Verdict.VALID
    one, other = _oriented(answer), _oriented(gold)
    if one is None or other is None:
        if answer[1] == gold[1]:
            return _each_side(comparer, answer[2], gold[2])
        return Verdict.UNKNOWN
    if one[0] != other[0]:
        return Verdict.INVALID
    verdict = comparer.judge.equations(one[1], other[1])
    if verdict is not Verdict.VALID:
        return verdict
    try:
        positive = numerical.same_sign(one[1], other[1])
    except (NotParsed, ZeroDivisionError):
        return Verdict.UNKNOWN
    if positive is None:
        return Verdict.UNKNOWN
    return decided(positive)


def _base_name(name: str) -> str:
    """`y` for `y(t)`; the value `f(2)` stays one at a point."""
    if name[-1:] != ")" or any(c.isdigit() for c in name.partition("(")[2]):
        return name
    return name[:1] + name[1:].partition("(")[0]


def _is_swapped(answer: Tree, gold: Tree) -> bool:
    return answer[2] == gold[2][::-1]


def _difference(sides) -> Tree:
    return ("+", sides[0], ("-", sides[1]))


def _oriented(tree: Tree) -> tuple[str, Tree] | None:
    """`(">", a - b)` for `a > b` and for `b < a`."""
    if len(tree[1]) != 1 or any(side[0] not in PLAIN for side in tree[2]):
        return None
    (operator,) = tree[1]
    if operator in (">", ">="):
        return operator, _difference(tree[2])
    if operator in ("<", "<="):
        return operator.replace("<", ">"), _difference(tree[2][::-1])
    return None


def _ascending(tree: Tree) -> Tree:
    """`c < b < a` for `a > b > c`."""
    if len(tree[1]) > 1 and set(tree[1]) <= {">", ">="}:
        operators = tuple(op.replace(">", "<") for op in tree[1][::-1])
        return ("rel", operators, tree[2][::-1])
    return tree
