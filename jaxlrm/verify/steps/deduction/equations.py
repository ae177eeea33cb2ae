"""Equations of rational functions: have two of them the same solutions?"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from fractions import Fraction

from jaxlrm.verify.answers.exact import (
    ONE,
    Number,
    Polynomial,
    Ratio,
    Value,
    evaluate,
    names_of,
    proportional,
)
from jaxlrm.verify.steps.deduction.roots import (
    Dense,
    dense,
    same_roots,
    solutions,
)

UNKNOWNS = 4  # more are left open
POINTS = 40  # that are tried for each unknown, in search of a witness
WORK = 2000  # terms that are evaluated in that search
# Names whose values no one may choose.
_CONSTANTS = frozenset((r"\pi", "e", "i"))
_SMALL = (1, 0, 2, -1, 3, -2, 5)


@dataclasses.dataclass(frozen=True, eq=False)
class Equation:
    """`value = 0`, where it has a value.

    Attributes:
        value: left minus right.
        excluded: what must not vanish, beside the denominator of `value`.
    """

    value: Value
    excluded: tuple[Polynomial, ...]

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """The unknowns in it."""
        parts = (names_of(Ratio(part, ONE)) for part in self.excluded)
        return frozenset(names_of(self.value).union(*parts))

    @functools.cached_property
    def roots(self) -> Dense | None:
        """The polynomial of its solutions; None where it always holds.

        Raises:
            NotParsed: over a budget, or of several unknowns.
        """
        value = self.value
        if not isinstance(value, Ratio):
            return None if value == 0 else [Fraction(1)]
        name = "".join(self.names)
        excluded = [dense(part, name) for part in self.denominators()]
        return solutions(dense(value.top, name), excluded)

    def denominators(self) -> tuple[Polynomial, ...]:
        """All that must not vanish."""
        if isinstance(self.value, Ratio) and self.value.bottom is not ONE:
            return (*self.excluded, self.value.bottom)
        return self.excluded


def compare_equations(
    one: Equation, other: Equation, refute: bool = True
) -> bool | None:
    """Have they the same solutions? None where it is not shown.

    False where a real solution is lost or gained, and where one of them holds
    always or never and the other does not.

    Args:
        one: the first equation.
        other: the second equation.
        refute: look for a solution that only one of them has? Most of the
            work is in that search.

    Raises:
        NotParsed: over a budget.
    """
    names = one.names | other.names
    if len(names) > 1:
        return _compare_many(one, other, sorted(names), refute)
    first, second = one.roots, other.roots
    if first is None or second is None:
        return first is second
    if first == second:
        return True
    return same_roots(first, second) if refute else None


def _compare_many(
    one: Equation, other: Equation, names: list[str], refute: bool
) -> bool | None:
    a, b = one.value, other.value
    if isinstance(a, Ratio) and isinstance(b, Ratio):
        if one.denominators() == other.denominators():
            if proportional(a.top, b.top):
                return True
    if not refute or len(names) > UNKNOWNS or _CONSTANTS.intersection(names):
        return None
    if _has_witness(one, other, names) or _has_witness(other, one, names):
        return False
    return None


def _has_witness(one: Equation, other: Equation, names: list[str]) -> bool:
    """Is there a point that solves `one`, and where `other` does not hold?

    Where `other` is not defined is not held against it: a = F/m is what
    everybody writes for F = m a.
    """
    size = sum(_terms(each.value) for each in (one, other))
    points = min(POINTS, WORK // size)
    for free in names:
        fixed = [name for name in names if name != free]
        grid = itertools.product(_SMALL, repeat=len(fixed))
        for numbers in itertools.islice(grid, points):
            point = dict(zip(fixed, numbers, strict=True))
            for root in _rational_roots(one, point, free):
                there = point | {free: root}
                if _holds(one, there) and _holds(other, there) is False:
                    return True
    return False


def _terms(value: Value) -> int:
    return len(value.top) + len(value.bottom) if isinstance(value, Ratio) else 1


def _holds(equation: Equation, point: dict[str, Number]) -> bool | None:
    """Is it solved there? None where it is not defined."""
    for part in equation.denominators():
        if evaluate(part, point) == 0:
            return None
    value = equation.value
    if not isinstance(value, Ratio):
        return value == 0
    return evaluate(value.top, point) == 0


def _rational_roots(
    equation: Equation, point: dict[str, Number], free: str
) -> list[Number]:
    """Values of `free` that solve it, the other names at a point."""
    value = equation.value
    if not isinstance(value, Ratio):
        return list(_SMALL) if value == 0 else []
    coefficients = _at(value.top, point, free)
    if not coefficients:
        return list(_SMALL)
    if len(coefficients) == 2:
        return [-coefficients[0] / coefficients[1]]
    if len(coefficients) == 3:
        c, b, a = coefficients
        square = b * b - 4 * a * c
        root = _square_root(square)
        if root is not None:
            return [(-b + root) / (2 * a), (-b - root) / (2 * a)]
    return []


def _at(polynomial: Polynomial, point: dict[str, Number], free: str) -> Dense:
    """Its coefficients in `free`, the other names at a point."""
    found: dict[int, Polynomial] = {}
    for monomial, number in polynomial.items():
        power = dict(monomial).get(free, 0)
        rest = tuple(pair for pair in monomial if pair[0] != free)
        found.setdefault(power, {})[rest] = number
    values = {power: evaluate(part, point) for power, part in found.items()}
    return dense(
        {((free, p),) if p else (): n for p, n in values.items() if n}, free
    )


def _square_root(square: Fraction) -> Fraction | None:
    if square < 0:
        return None
    top, bottom = map(math.isqrt, (square.numerator, square.denominator))
    root = Fraction(top, bottom)
    return root if root * root == square else None
