"""Linear systems: what their equations imply together."""

from __future__ import annotations

from fractions import Fraction

from jaxlrm.verify.answers.exact import ONE, Ratio, is_linear
from jaxlrm.verify.steps.deduction.equations import Equation
from jaxlrm.verify.verdict import Verdict

EQUATIONS = 6

Row = dict[str, Fraction]  # "" is the constant


def compare_systems(
    before: list[Equation], after: list[Equation]
) -> Verdict | None:
    """Does `after` follow? None where the equations are not linear.

    One equation may be any combination of those before it; several must have
    the same solutions.
    """
    if max(len(before), len(after)) > EQUATIONS:
        return None
    rows, wanted = _rows(before), _rows(after)
    if rows is None or wanted is None:
        return None
    known = _reduced(rows)
    if any(set(row) == {""} for row in known):
        return None  # from a contradiction follows anything
    if any(_rest(row, known) for row in wanted):
        return Verdict.INVALID
    if len(after) == 1:
        return Verdict.VALID
    found = _reduced(wanted)
    return Verdict.VALID if len(found) == len(known) else Verdict.UNKNOWN


def _rows(equations: list[Equation]) -> list[Row] | None:
    rows = []
    for equation in equations:
        value = equation.value
        if equation.excluded or not isinstance(value, Ratio):
            return None
        if value.bottom != ONE or not is_linear(value):
            return None
        rows.append(
            {
                monomial[0][0] if monomial else "": Fraction(number)
                for monomial, number in value.top.items()
            }
        )
    return rows


def _reduced(rows: list[Row]) -> list[Row]:
    """A basis in which each row begins with an unknown of its own."""
    basis: list[Row] = []
    for row in rows:
        rest = _rest(row, basis)
        if rest:
            basis.append(rest)
    return basis


def _rest(row: Row, basis: list[Row]) -> Row:
    """What is left of a row without the unknowns that lead in the basis."""
    for leader in basis:
        name = max(leader)
        factor = row.get(name, 0) / leader[name]
        if factor:
            names = row.keys() | leader.keys()
            sums = {n: row.get(n, 0) - factor * leader.get(n, 0) for n in names}
            row = {n: number for n, number in sums.items() if number}
    return row
