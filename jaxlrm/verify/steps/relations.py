"""How a line of mathematics stands to the one before it."""

from __future__ import annotations

import enum
import itertools
import re

from jaxlrm.verify.answers.exact import (
    ONE,
    NotParsed,
    Ratio,
    Value,
    equal,
    is_linear,
    proportional,
)
from jaxlrm.verify.answers.lines import Line, difference, parse
from jaxlrm.verify.inputs import NUMBER, squeeze
from jaxlrm.verify.steps.deduction import compare_lines, takes_derivative
from jaxlrm.verify.steps.deduction.equations import Equation, compare_equations
from jaxlrm.verify.verdict import Verdict

# No unknowns; what is true of pi as of a variable is true of it.
NUMBERS = frozenset((r"\pi",))
PLAIN = rf"[-+]?{NUMBER}"
_PLAIN_NUMBER = re.compile(PLAIN)


class Relation(enum.Enum):
    """How a line stands to the line before it.

    Attributes:
        EQUIVALENT: the same value, or the same solutions.
        TRUE: holds on its own, such as `3 + 4 = 7`.
        TRIVIAL: holds, but says nothing, such as `0 = 0` or a repeated line.
        FALSE: another value, other solutions, or a wrong fact.
        UNKNOWN: not decided.
    """

    EQUIVALENT = enum.auto()
    TRUE = enum.auto()
    TRIVIAL = enum.auto()
    FALSE = enum.auto()
    UNKNOWN = enum.auto()


def relate(before: str, after: str) -> Relation:
    """How `after` stands to `before`; never raises on any text."""
    relation = Relation.UNKNOWN
    if not takes_derivative(before + after):
        relation = _relate_rational(before, after)
    # There i is a name like others; here it is the imaginary unit.
    imaginary = relation is Relation.FALSE and "i" in _names(before, after)
    if relation is not Relation.UNKNOWN and not imaginary:
        return relation
    verdict = compare_lines(before, after)
    if verdict is Verdict.INVALID:
        return Relation.FALSE
    if verdict is not Verdict.VALID:
        return Relation.UNKNOWN
    repeats = "=" in after and _says_nothing(after)
    return Relation.TRIVIAL if repeats else Relation.EQUIVALENT


def _names(*texts: str) -> frozenset[str]:
    """The names in lines that the quick parser reads."""
    try:
        return frozenset().union(*(parse(text).names for text in texts))
    except (NotParsed, ZeroDivisionError):
        return frozenset()


def _relate_rational(before: str, after: str) -> Relation:
    """By the quick parser of rational functions."""
    try:
        line = parse(after)
    except NotParsed:
        return Relation.UNKNOWN
    except ZeroDivisionError:
        return Relation.FALSE
    try:
        if len(line.sides) > 1 and line.names <= NUMBERS:
            return _relate_fact(before, after, line)
        return _relate_lines(parse(before), line)
    except (NotParsed, ZeroDivisionError):
        return Relation.UNKNOWN


# --- Relations --------------------------------------------------------------


def _relate_fact(before: str, after: str, line: Line) -> Relation:
    """`line` has no unknowns: it is true or false on its own."""
    first, *others = line.sides
    holds = all(equal(first, other) for other in others)
    if holds and not _says_nothing(after):
        return Relation.TRUE
    # An equation without solutions may end in 1 = 0, an identity in 0 = 0.
    same = _compare_with(before, Equation(0 if holds else 1, ()))
    if same:
        return Relation.EQUIVALENT
    if holds:
        return Relation.TRIVIAL
    return Relation.FALSE if same is False else Relation.UNKNOWN


def _says_nothing(fact: str) -> bool:
    """`7 = 7` and `3 + 4 = 3 + 4` say nothing; `8/2 = 4` does."""
    sides = [side.removesuffix(".") for side in squeeze(fact).split("=")]
    return len(set(sides)) == 1 or all(
        _PLAIN_NUMBER.fullmatch(side) for side in sides
    )


def _compare_with(text: str, other: Equation) -> bool | None:
    """Has the equation of a text the same solutions? False if it is none."""
    try:
        line = parse(text)
        equation = single(line) if line.names else None
    except (NotParsed, ZeroDivisionError):
        return False
    return equation is not None and compare_equations(equation, other)


def _relate_lines(old: Line, new: Line) -> Relation:
    if len(old.sides) == len(new.sides) == 1:
        same = equal(old.sides[0], new.sides[0])
        return Relation.EQUIVALENT if same else Relation.FALSE
    if len(old.sides) == 1:  # 2x + 3x = 5x about an expression
        first, *others = new.sides
        if all(equal(first, other) for other in others):
            return Relation.TRUE
        return Relation.UNKNOWN
    if len(new.sides) == 1:
        return Relation.UNKNOWN
    one, other = single(old), single(new)
    if one is None or other is None:
        return Relation.UNKNOWN
    return _relate_equations(one, other)


def single(line: Line) -> Equation | None:
    """A line as one equation: also `x = 10/2 = 5`, but not `x = y = 5`."""
    if len(line.sides) == 1:
        return None
    excluded = list(line.excluded)
    for side in line.sides:
        if isinstance(side, Ratio) and side.bottom is not ONE:
            if side.bottom not in excluded:
                excluded.append(side.bottom)
    kept: Value = 0
    for pair in itertools.pairwise(line.sides):
        value = difference(line._replace(sides=pair))
        if not isinstance(value, Ratio):
            if value != 0:
                return Equation(value, ())  # it never holds
        elif not isinstance(kept, Ratio):
            kept = value
        elif kept.bottom != value.bottom or not proportional(
            kept.top, value.top
        ):
            return None
    return Equation(kept, tuple(excluded))


def _relate_equations(old: Equation, new: Equation) -> Relation:
    """Have they the same solutions?"""
    one, other = old.value, new.value
    if isinstance(one, Ratio) and isinstance(other, Ratio):
        if old.excluded == new.excluded and one.bottom == other.bottom:
            if proportional(one.top, other.top):
                return Relation.EQUIVALENT
        if not old.excluded and not new.excluded:
            if is_linear(one) and is_linear(other):
                return Relation.FALSE
    same = compare_equations(old, new)
    if same is None:
        return Relation.UNKNOWN
    return Relation.EQUIVALENT if same else Relation.FALSE
