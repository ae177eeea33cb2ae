"""Does a line of mathematics follow from the one before it?"""

from __future__ import annotations

import re

from jaxlrm.verify.answers.equivalence.assignments import assignment
from jaxlrm.verify.answers.equivalence.comparer import NESTING, Comparer
from jaxlrm.verify.answers.equivalence.simplified import PLAIN, simplified
from jaxlrm.verify.answers.exact import LENGTH, Algebra, NotParsed
from jaxlrm.verify.answers.normal import normal_form
from jaxlrm.verify.answers.rational import rational
from jaxlrm.verify.answers.scalars import Judge, renamed
from jaxlrm.verify.answers.syntax import CONSTANTS, Tree, parse_answer, unknowns
from jaxlrm.verify.steps.deduction import derivatives
from jaxlrm.verify.steps.deduction.equations import (
    Equation,
    compare_equations,
)
from jaxlrm.verify.steps.deduction.roots import real_roots
from jaxlrm.verify.steps.deduction.systems import compare_systems
from jaxlrm.verify.steps.deduction.values import (
    ORDERS,
    ZERO,
    difference,
    equation,
    is_equation,
    same,
)
from jaxlrm.verify.verdict import Verdict, combine, decided

_OPERATOR = re.compile(
    r"(?:\\frac ?\{ ?d ?\} ?\{ ?d ?([a-z]) ?\}|d ?/ ?d([a-z])(?![A-Za-z]))"
)
_TAKEN = re.compile(
    r"\\[dt]?frac ?\{ ?d ?[A-Za-z]? ?\} ?\{ ?d ?[a-z] ?\}"
    r"|(?<![A-Za-z])d[a-z]? ?/ ?d[a-z](?![A-Za-z])"
)
_PRIMED = re.compile(
    r"(?:([A-Za-z])'(?:\(([a-z])\))?"
    r"|\\frac ?\{ ?d ?([A-Za-z]) ?\} ?\{ ?d ?([a-z]) ?\}"
    r"|d([a-z]) ?/ ?d([a-z])) ?=(.+)"
)
_DEFINED = re.compile(r"([A-Za-z])(?:\(([a-z])\))? ?=([^=]+)")


def compare_lines(before: str, after: str, refute: bool = True) -> Verdict:
    """Does `after` follow from `before`, with all solutions kept?

    Args:
        before: a line.
        after: the line behind it.
        refute: search for a solution that was lost or gained? Without it a
            verdict that would be INVALID may be UNKNOWN; VALID is the same.

    Returns:
        VALID or INVALID where shown, else UNKNOWN; never raises on any text.
    """
    if max(len(before), len(after)) > LENGTH:
        return Verdict.UNKNOWN
    try:
        one, other = normal_form(before), normal_form(after)
        verdict = _compare_derivatives(one, other)
        if verdict is not None:
            return verdict
        if takes_derivative(one) or takes_derivative(other):
            return Verdict.UNKNOWN
        return _compare_trees(one, parse_answer(other), refute)
    except (NotParsed, ZeroDivisionError, RecursionError, OverflowError):
        return Verdict.UNKNOWN


def takes_derivative(text: str) -> bool:
    """Is there a `d/dx` in it? It is no quotient of products."""
    return "d" in text and _TAKEN.search(text) is not None


def sort_of(text: str) -> str | None:
    """`equation`, `fact` or `expression`; None for what cannot be read."""
    if len(text) > LENGTH:
        return None
    try:
        tree = parse_answer(normal_form(text))
    except (NotParsed, ZeroDivisionError, RecursionError, OverflowError):
        return None
    if tree[0] in PLAIN:
        return "expression"
    if tree[0] == "rel" and not unknowns(tree):
        return "fact"
    first = tree[1][0] if tree[0] == "list" else tree
    return "equation" if first[0] == "rel" else None


# --- Derivatives ------------------------------------------------------------


def _compare_derivatives(before: str, after: str) -> Verdict | None:
    """None where no derivative is taken."""
    match = _OPERATOR.match(after)
    if match:
        body, equals, result = after[match.end() :].partition("=")
        if not equals:
            return None
        return _is_derivative(body, result, match.group(1) or match.group(2))
    match = _OPERATOR.match(before)
    if match and "=" not in before + after:
        body = before[match.end() :]
        return _is_derivative(body, after, match.group(1) or match.group(2))
    primed, defined = _PRIMED.fullmatch(after), _DEFINED.fullmatch(before)
    if primed is None or defined is None:
        return None
    parts = primed.groups()
    function, name = (part for part in _pairs(parts[:6]))
    if function != defined.group(1):
        return None
    tree = parse_answer(defined.group(3).strip())
    names = {name, defined.group(2)} - {None} or set(unknowns(tree))
    if len(names) != 1:
        return None
    return _verdict_on(tree, parts[6], names.pop())


def _pairs(parts) -> tuple[str, str | None]:
    """The function and the variable of the alternative that matched."""
    index = next(i for i in (0, 2, 4) if parts[i])
    return parts[index], parts[index + 1]


def _is_derivative(body: str, result: str, name: str) -> Verdict:
    body = body.strip()
    tree = parse_answer(body)
    if tree[0] not in PLAIN:
        return Verdict.UNKNOWN
    verdict = _verdict_on(tree, result, name)
    # Is d/dx x + 1 the derivative of a sum, or the sum of a derivative?
    if tree[0] == "+" and not body.startswith(("(", "[", "{")):
        return verdict if verdict is Verdict.VALID else Verdict.UNKNOWN
    return verdict


def _verdict_on(tree: Tree, result: str, name: str) -> Verdict:
    claimed = parse_answer(result.strip())
    sides = claimed[2] if claimed[0] == "rel" else (claimed,)
    if claimed[0] == "rel" and set(claimed[1]) != {"="}:
        return Verdict.UNKNOWN
    if any(side[0] not in PLAIN for side in sides):
        return Verdict.UNKNOWN
    found = derivatives.derivative(tree, name)
    return combine(same(side, found) for side in sides)


# --- Lines ------------------------------------------------------------------


def _compare_trees(before: str, after: Tree, refute: bool) -> Verdict:
    if after[0] == "rel" and not unknowns(after):
        return _fact(after)
    tree = parse_answer(before)
    if tree[0] in PLAIN and after[0] in PLAIN:
        return same(after, tree)
    one, other = _alternatives(tree), _alternatives(after)
    if one is None or other is None:
        return _systems(tree, after)
    if one and other:
        verdict = _equations(one, other, refute)
        if verdict is Verdict.UNKNOWN:
            verdict = _solved(one, other)
            if verdict is Verdict.VALID and not refute:
                found = _equations(one, other, True)
                return found if found is Verdict.INVALID else verdict
        return verdict
    return _relations(tree, after)


def _fact(tree: Tree) -> Verdict:
    """A relation without unknowns, true or false on its own."""
    verdicts = []
    operators, sides = tree[1], tree[2]
    for operator, one, other in zip(operators, sides, sides[1:], strict=False):
        if operator == "=":
            verdict = same(one, other)
            if verdict is Verdict.INVALID and not {one[0], other[0]} <= PLAIN:
                verdict = Verdict.UNKNOWN
            verdicts.append(verdict)
        elif operator in ORDERS:
            numbers = rational(one), rational(other)
            verdicts.append(decided(ORDERS[operator](*numbers)))
        else:
            return Verdict.UNKNOWN
    return combine(verdicts)


def _alternatives(tree: Tree) -> list[Tree] | None:
    r"""The equations of `x = 1 or x = 2`, `x = \pm 1`, `x = 1`.

    Returns:
        Empty for other relations; None for equations that hold together.
    """
    if tree[0] == "rel" and tree[1] == ("in",) and tree[2][1][0] == "set":
        name, values = tree[2]
        return [("rel", ("=",), (name, value)) for value in values[1]]
    together = tree[0] == "list" and "or" not in tree[2]
    tree = simplified(tree)
    items = list(tree[1]) if tree[0] == "list" else [tree]
    if not all(map(is_equation, items)):
        return []
    if any(side[0] not in PLAIN for item in items for side in item[2]):
        return []
    if together and len({unknowns(item) for item in items}) > 1:
        return None
    several = len({name for item in items for name in unknowns(item)}) > 1
    return None if together and several else items


def _equations(before: list[Tree], after: list[Tree], refute: bool) -> Verdict:
    """By their solutions, where all are equations of rational functions."""
    try:
        found = compare_equations(_product(before), _product(after), refute)
    except (NotParsed, ZeroDivisionError):
        return Verdict.UNKNOWN
    return Verdict.UNKNOWN if found is None else decided(found)


def _product(items: list[Tree]) -> Equation:
    """One equation for several of which one holds."""
    first, *others = map(equation, items)
    for other in others:
        algebra = Algebra()
        value = algebra.multiply(first.value, other.value)
        excluded = (*first.excluded, *other.excluded, *algebra.cancelled)
        first = Equation(value, excluded)
    return first


def _solved(before: list[Tree], after: list[Tree]) -> Verdict:
    """Values put into an equation, and their number."""
    named = [assignment(item) for item in after]
    names = {name for name, _ in named}
    if len(names) != 1 or "" in names or names & CONSTANTS:
        return _same_equation(before, after)
    (name,) = names
    values = [value for _, given in named for value, _ in given]
    if any(unknowns(value) for value in values):
        return _same_equation(before, after)
    if any(unknowns(item) - {name} for item in before):
        return Verdict.UNKNOWN
    for value in values:
        verdict = _satisfied(before, name, value)
        if verdict is not Verdict.VALID:
            return verdict
    return _complete(before, name, values)


def _satisfied(before: list[Tree], name: str, value: Tree) -> Verdict:
    """Is one of the equations solved by a value?"""
    found = []
    for item in before:
        try:
            left = renamed(difference(item), ("v", name), value)
            found.append(Judge().values(left, ZERO))
        except ZeroDivisionError:
            found.append(Verdict.INVALID)
    if Verdict.VALID in found:
        return Verdict.VALID
    return found[0] if len(set(found)) == 1 else Verdict.UNKNOWN


def _complete(before: list[Tree], name: str, values: list[Tree]) -> Verdict:
    """Values that solve the equation: are they all?"""
    different: list[Tree] = []
    for value in values:
        verdicts = {same(value, other) for other in different}
        if verdicts <= {Verdict.INVALID}:
            different.append(value)
        elif Verdict.VALID not in verdicts:
            return Verdict.UNKNOWN
    given = [assignment(item) for item in before]
    if all(label == name and len(v) == 1 for label, v in given):
        # One list of values after another.
        old = [v[0][0] for _, v in given]
        for value in old:
            verdicts = {same(value, other) for other in different}
            if verdicts == {Verdict.INVALID}:
                return Verdict.INVALID
            if Verdict.VALID not in verdicts:
                return Verdict.UNKNOWN
        return Verdict.VALID
    try:
        roots = _product(before).roots
    except (NotParsed, ZeroDivisionError):
        return Verdict.UNKNOWN
    if roots is None:
        return Verdict.INVALID  # any number solves it
    if len(different) == len(roots) - 1:
        return Verdict.VALID
    if len(different) < real_roots(roots):
        return Verdict.INVALID
    return Verdict.UNKNOWN


def _same_equation(before: list[Tree], after: list[Tree]) -> Verdict:
    """Equations that are equal up to a factor, whatever is in them."""
    if len(before) != 1 or len(after) != 1:
        return Verdict.UNKNOWN
    one, other = difference(before[0]), difference(after[0])
    if Judge().equations(other, one) is Verdict.VALID:
        return Verdict.VALID
    return Verdict.UNKNOWN


def _systems(before: Tree, after: Tree) -> Verdict:
    """Equations that hold together."""
    lists = []
    for tree in (before, after):
        items = list(tree[1]) if tree[0] == "list" else [tree]
        if not all(map(is_equation, items)):
            return Verdict.UNKNOWN
        lists.append([equation(item) for item in items])
    verdict = compare_systems(*lists)
    return Verdict.UNKNOWN if verdict is None else verdict


def _relations(before: Tree, after: Tree) -> Verdict:
    """Inequalities with the same solutions."""
    if "rel" not in (before[0], after[0]) or PLAIN & {before[0], after[0]}:
        return Verdict.UNKNOWN
    if is_equation(before) or is_equation(after):
        return Verdict.UNKNOWN
    first = Comparer(Judge()).compare(after, before, NESTING)
    if first is not Verdict.VALID:
        return first
    return Comparer(Judge()).compare(before, after, NESTING)
