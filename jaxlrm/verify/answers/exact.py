"""Exact values, with budgets: rational numbers and rational functions.

Coefficients are rational. No operation takes more than its budget: what is too
large is `NotParsed`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

# Budgets. Typical lines stay far below; a bomb stops before it is computed.
LENGTH = 4096  # characters of a line
DIGITS = 1000  # of one literal
BITS = 8192  # of one number
COEFFICIENT_BITS = 1024  # of one coefficient of a polynomial
TERMS = 256  # of one polynomial
DEGREE = 32
WORK = 20_000  # products of coefficients, for a whole line

Number = int | Fraction
# ((name, exponent), ...), sorted by name; () is the constant term.
Monomial = tuple[tuple[str, int], ...]
Polynomial = dict[Monomial, Number]  # without zero coefficients

ONE: Polynomial = {(): 1}
_SMALL = 1 << 64  # within any budget


class NotParsed(ValueError):
    """The text is outside the grammar, or over a budget."""


class Ratio(NamedTuple):
    """A quotient of polynomials that is not a number. Not in lowest terms.

    Attributes:
        top: numerator, not empty.
        bottom: denominator; `{(): 1}` if it is constant.
    """

    top: Polynomial
    bottom: Polynomial


Value = int | Fraction | Ratio


def equal(one: Value, other: Value) -> bool:
    """Are two values identical as rational functions?

    Raises:
        NotParsed: over a budget.
    """
    if not isinstance(one, Ratio) or not isinstance(other, Ratio):
        return one == other  # a ratio is never a number
    if one.bottom == other.bottom:
        return one.top == other.top
    algebra = Algebra()
    return algebra.product(one.top, other.bottom) == algebra.product(
        other.top, one.bottom
    )


def negate(value: Value) -> Value:
    """Minus `value`."""
    if isinstance(value, Ratio):
        top = {monomial: -number for monomial, number in value.top.items()}
        return Ratio(top, value.bottom)
    return -value


def proportional(one: Polynomial, other: Polynomial) -> bool:
    """Is one a nonzero constant times the other?"""
    if one.keys() != other.keys():
        return False
    items = iter(one.items())
    monomial, first = next(items)
    second = other[monomial]
    return all(
        number * second == other[monomial] * first for monomial, number in items
    )


def substitute(value: Value, name: str, number: Number) -> Value:
    """`value` with a number in place of a variable.

    Raises:
        NotParsed: over a budget.
        ZeroDivisionError: the denominator vanishes there.
    """
    if not isinstance(value, Ratio):
        return value
    algebra = Algebra()
    top, bottom = (
        algebra.substitute(part, name, number)
        for part in (value.top, value.bottom)
    )
    return _ratio(top, bottom)


def evaluate(polynomial: Polynomial, point: dict[str, Number]) -> Number:
    """The value of a polynomial where each of its names has one.

    Raises:
        NotParsed: over a budget.
    """
    algebra = Algebra()
    total: Number = 0
    for monomial, number in polynomial.items():
        for name, exponent in monomial:
            number *= algebra.power(point[name], exponent)
        total += number
    return total


def names_of(value: Value) -> set[str]:
    """The variables that `value` depends on."""
    if not isinstance(value, Ratio):
        return set()
    return {name for part in value for monomial in part for name, _ in monomial}


def is_linear(value: Ratio) -> bool:
    """Is it a polynomial of degree one?"""
    return value.bottom == ONE and _degree(value.top) == 1


class Algebra:
    """Exact operations within one budget of work.

    Attributes:
        work: products of coefficients that may still be made.
        cancelled: denominators with unknowns that results show no more.
    """

    __slots__ = ("cancelled", "work")

    def __init__(self):
        self.work = WORK
        self.cancelled: list[Polynomial] = []

    def add(self, one: Value, other: Value) -> Value:
        """The sum of two values."""
        if type(one) is int and type(other) is int:
            return one + other
        if not isinstance(one, Ratio) and not isinstance(other, Ratio):
            return lowest(one + other)
        one, other = _as_ratio(one), _as_ratio(other)
        if one.bottom is other.bottom or one.bottom == other.bottom:
            return self.ratio(self.sum(one.top, other.top), one.bottom)
        return self.ratio(
            self.sum(
                self.product(one.top, other.bottom),
                self.product(other.top, one.bottom),
            ),
            self.product(one.bottom, other.bottom),
        )

    def multiply(self, one: Value, other: Value) -> Value:
        """The product of two values."""
        if not isinstance(one, Ratio) and not isinstance(other, Ratio):
            if type(one) is int and abs(one) < _SMALL:
                if type(other) is int and abs(other) < _SMALL:
                    return one * other
            return lowest(one * other)
        one, other = _as_ratio(one), _as_ratio(other)
        return self.ratio(
            self.product(one.top, other.top),
            self.product(one.bottom, other.bottom),
        )

    def divide(self, one: Value, other: Value) -> Value:
        """The quotient of two values."""
        if not isinstance(other, Ratio):
            if type(one) is int and type(other) is int and other:
                quotient, rest = divmod(one, other)
                return Fraction(one, other) if rest else quotient
            return self.multiply(one, lowest(1 / Fraction(other)))
        one = _as_ratio(one)
        self.cancel(other.bottom)
        return self.ratio(
            self.product(one.top, other.bottom),
            self.product(one.bottom, other.top),
        )

    def power(self, base: Value, exponent: Value) -> Value:
        """A value with an integer exponent."""
        if isinstance(exponent, Ratio) or exponent.denominator != 1:
            raise NotParsed("only integer exponents are read")
        exponent = int(exponent)
        size = abs(exponent)
        if not isinstance(base, Ratio):
            if exponent < 0:
                base = lowest(1 / Fraction(base))
            elif exponent == 0 and base == 0:
                raise ZeroDivisionError("0^0")
            if base not in (0, 1, -1) and size * _bits(base) > BITS:
                raise NotParsed(f"a power of more than {BITS} bits")
            # Parity is all that matters where the size is not bounded.
            return base**size if size <= BITS else base ** (2 + size % 2)
        degree = max(_degree(base.top), _degree(base.bottom))
        if size * max(1, degree) > DEGREE:
            raise NotParsed(f"a power of a degree above {DEGREE}")
        top, bottom = ONE, ONE
        for _ in range(size):
            top = self.product(top, base.top)
            bottom = self.product(bottom, base.bottom)
        if exponent >= 0:
            return self.ratio(top, bottom)
        self.cancel(bottom)
        return self.ratio(bottom, top)

    def ratio(self, top: Polynomial, bottom: Polynomial) -> Value:
        """The quotient, as a number where it is one."""
        value = _ratio(top, bottom)
        if bottom is not ONE:
            if not isinstance(value, Ratio) or value.bottom is ONE:
                self.cancel(bottom)
        return value

    def cancel(self, bottom: Polynomial) -> None:
        """Notes a denominator that a result does not show."""
        if bottom is not ONE and any(bottom) and bottom not in self.cancelled:
            self.cancelled.append(bottom)

    def sum(self, one: Polynomial, other: Polynomial) -> Polynomial:
        """The sum of two polynomials."""
        result = dict(one)
        for monomial, number in other.items():
            total = result.get(monomial, 0) + number
            if total:
                result[monomial] = total
            else:
                del result[monomial]
        self.charge(len(other))
        return _bounded(result)

    def product(self, one: Polynomial, other: Polynomial) -> Polynomial:
        """The product of two polynomials."""
        if one is ONE:
            return other
        if other is ONE:
            return one
        self.charge(len(one) * len(other))
        result: Polynomial = {}
        for left, a in one.items():
            for right, b in other.items():
                monomial = _join(left, right)
                result[monomial] = result.get(monomial, 0) + a * b
        return _bounded({m: n for m, n in result.items() if n})

    def substitute(
        self, polynomial: Polynomial, name: str, number: Number
    ) -> Polynomial:
        """A polynomial with a number in place of a variable."""
        result: Polynomial = {}
        for monomial, coefficient in polynomial.items():
            exponent = dict(monomial).get(name, 0)
            rest = tuple(pair for pair in monomial if pair[0] != name)
            if exponent:
                factor = self.power(number, exponent)
                coefficient = self.multiply(coefficient, factor)
            result[rest] = result.get(rest, 0) + coefficient
        return {m: n for m, n in result.items() if n}

    def charge(self, work: int) -> None:
        """Takes work off the budget."""
        self.work -= work
        if self.work < 0:
            raise NotParsed(f"more than {WORK} products of coefficients")


def _as_ratio(value: Value) -> Ratio:
    if isinstance(value, Ratio):
        return value
    return Ratio({(): value} if value else {}, ONE)


def _ratio(top: Polynomial, bottom: Polynomial) -> Value:
    """The quotient, as a number where it is one."""
    if not bottom:
        raise ZeroDivisionError("division by zero")
    if not top:
        return 0
    if bottom is not ONE:
        if len(bottom) == 1 and () in bottom:
            if bottom[()] != 1:
                top = {
                    m: lowest(n / Fraction(bottom[()])) for m, n in top.items()
                }
            bottom = ONE
        elif proportional(top, bottom):
            monomial = next(iter(top))
            return lowest(Fraction(top[monomial]) / bottom[monomial])
    if bottom is ONE and len(top) == 1 and () in top:
        return lowest(top[()])
    return Ratio(top, bottom)


def lowest(number: Number) -> Number:
    """An int where the number is whole; NotParsed if it is too long."""
    if _bits(number) > BITS:
        raise NotParsed(f"a number of more than {BITS} bits")
    return int(number) if number.denominator == 1 else number


def _bits(number: Number) -> int:
    return max(number.numerator.bit_length(), number.denominator.bit_length())


def _bounded(polynomial: Polynomial) -> Polynomial:
    if len(polynomial) > TERMS:
        raise NotParsed(f"more than {TERMS} terms")
    for number in polynomial.values():
        if type(number) is int and -_SMALL < number < _SMALL:
            continue
        if _bits(number) > COEFFICIENT_BITS:
            raise NotParsed(f"a coefficient of over {COEFFICIENT_BITS} bits")
    return polynomial


def _join(one: Monomial, other: Monomial) -> Monomial:
    """The product of two monomials."""
    if not one:
        return other
    if not other:
        return one
    exponents = dict(one)
    for name, exponent in other:
        exponents[name] = exponents.get(name, 0) + exponent
    if sum(exponents.values()) > DEGREE:
        raise NotParsed(f"a degree above {DEGREE}")
    return tuple(sorted(exponents.items()))


def _degree(polynomial: Polynomial) -> int:
    return max(
        sum(exponent for _, exponent in monomial) for monomial in polynomial
    )
