"""Lines that follow from two linear equations in two unknowns.

A statement is `5*m - 155 = 2*d, -3*m = 28*d - 199 for d`. A step is a multiple
of one of the two equations, or a linear combination of them with one unknown
left, however it is written. That the last line, `d = 5`, is one certifies the
answer: where the determinant is not zero, the combinations have no other such
equation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from jaxlrm.verify.answers.exact import NotParsed, Number, Ratio, is_linear
from jaxlrm.verify.answers.lines import difference, parse
from jaxlrm.verify.verdict import Verdict

COMPLETE = True  # see `extend.Rule`

LENGTH = 600  # characters of a statement or a line
STEPS = 256  # of a chain

# One equation of a statement.
EQUATION = "[-+*/().0-9a-z ]{1,250}=[-+*/().0-9a-z ]{1,250}"
_STATEMENT = re.compile(f"({EQUATION}), ?({EQUATION}) for ([a-z])")
_SOLVED = re.compile("([a-z])=(-?[0-9]{1,100}(?:/[0-9]{1,100})?)")

# Left side minus right side: coefficients of the two unknowns, constant.
Row = tuple[Number, Number, Number]


def reads(statement: str) -> bool:
    """Is it a statement of two linear equations with one solution?"""
    return _read(statement) is not None


def check(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on the last of `steps`: does it follow?

    Returns:
        VALID for a multiple of a stated equation, and for a combination of
        both that has one unknown; INVALID for any other linear equation (a
        combination that keeps both unknowns leads nowhere), for one unknown
        with a coefficient that does not divide the one before, for a line
        without unknowns left such as `0 = 0`, and for a repeated line; UNKNOWN
        for any other line.
    """
    stated = _read(statement)
    if stated is None or not 0 < len(steps) <= STEPS:
        return Verdict.UNKNOWN
    rows, names, _ = stated
    *earlier, last = (line.strip().removesuffix(".") for line in steps)
    form = _squeeze(last)
    match = _STATEMENT.fullmatch(statement.strip())
    written = [match[1], match[2], *earlier]
    if any(form == _squeeze(line) for line in written):
        return Verdict.INVALID
    row = _read_line(last, names)
    if isinstance(row, Verdict):
        return row
    if row[0] and row[1]:
        follows = any(_proportional(stated_row, row) for stated_row in rows)
    else:
        follows = _determinant(*rows, row) == 0 and _simplifies(
            row, [_read_line(line, names) for line in written]
        )
    return Verdict.VALID if follows else Verdict.INVALID


def check_answer(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on a finished chain: its last line must be `d = 5`."""
    verdict = check(statement, steps)
    if verdict is Verdict.VALID and answer(statement, steps) is None:
        return Verdict.INVALID
    return verdict


def answer(statement: str, steps: Sequence[str]) -> str | None:
    """The number in a last line `d = 5` about the unknown asked for."""
    stated = _read(statement)
    if stated is None or not steps or len(steps[-1]) > LENGTH:
        return None
    match = _SOLVED.fullmatch(_squeeze(steps[-1]))
    if match is None or match[1] != stated[2]:
        return None
    top, _, bottom = match[2].partition("/")
    if bottom.strip("0") == "" and bottom:
        return None
    value = Fraction(int(top), int(bottom or 1))
    return match[2] if str(value) == match[2] else None


def _read(statement: str) -> tuple[tuple[Row, Row], list[str], str] | None:
    """The equations as rows, the unknowns in order, and the one asked for.

    None where it is no statement, or there is not exactly one solution.
    """
    if len(statement) > LENGTH:
        return None
    match = _STATEMENT.fullmatch(statement.strip())
    if match is None:
        return None
    try:
        lines = [parse(match[1]), parse(match[2])]
        names = sorted(lines[0].names | lines[1].names)
        if len(names) != 2 or match[3] not in names:
            return None
        values = [difference(line) for line in lines]
    except (NotParsed, ZeroDivisionError):
        return None
    if not all(isinstance(v, Ratio) and is_linear(v) for v in values):
        return None
    first, second = (_row(value, names) for value in values)
    if first[0] * second[1] == first[1] * second[0]:
        return None
    return (first, second), names, match[3]


def _read_line(text: str, names: Sequence[str]) -> Row | Verdict:
    """The row of an equation, or the verdict on what is no such equation."""
    if len(text) > LENGTH:
        return Verdict.UNKNOWN
    try:
        line = parse(text)
        if len(line.sides) != 2:
            return Verdict.UNKNOWN
        value = difference(line)
    except NotParsed:
        return Verdict.UNKNOWN
    except ZeroDivisionError:
        return Verdict.INVALID
    if not isinstance(value, Ratio):
        return Verdict.INVALID
    if not is_linear(value):
        return Verdict.UNKNOWN
    # None with another unknown than the stated ones.
    return _row(value, names) or Verdict.INVALID


def _row(value: Ratio, names: Sequence[str]) -> Row | None:
    """The coefficients of a linear `value`; None if it has other names."""
    monomials = [((names[0], 1),), ((names[1], 1),), ()]
    if not value.top.keys() <= set(monomials):
        return None
    return tuple(value.top.get(monomial, 0) for monomial in monomials)


def _simplifies(row: Row, before: Sequence[Row | Verdict]) -> bool:
    """Does its coefficient divide the last one of the same unknown alone?

    Else any number would do before an unknown that is zero.
    """
    place = 0 if row[0] else 1
    for other in reversed(before):
        if isinstance(other, tuple) and other[place] and not other[1 - place]:
            coefficient = other[place]
            if coefficient.denominator != 1:
                return True  # a fraction may be multiplied out
            return Fraction(coefficient, row[place]).denominator == 1
    return True


def _proportional(one: Row, two: Row) -> bool:
    """Is the second a multiple of the first?"""
    return all(one[i] * two[i - 1] == one[i - 1] * two[i] for i in range(3))


def _determinant(one: Row, two: Row, three: Row) -> Number:
    """Zero if and only if the third is a combination of the first two.

    The first two must be independent.
    """
    return (
        one[0] * (two[1] * three[2] - two[2] * three[1])
        - one[1] * (two[0] * three[2] - two[2] * three[0])
        + one[2] * (two[0] * three[1] - two[1] * three[0])
    )


def _squeeze(line: str) -> str:
    return "".join(line[:LENGTH].split()).removesuffix(".")
