"""Solutions of equations in one unknown, as roots of a polynomial.

A polynomial is a list of rational coefficients, the constant first, without a
zero at the end. Nothing is solved: sets of roots are compared, and real roots
counted.
"""

from __future__ import annotations

from fractions import Fraction

from jaxlrm.verify.answers.exact import NotParsed, Polynomial

DEGREE = 12  # more is left open
_BITS = 4096  # of a coefficient on the way

Dense = list[Fraction]


def dense(polynomial: Polynomial, name: str) -> Dense:
    """The coefficients of a polynomial in one variable.

    Raises:
        NotParsed: there are others, or its degree is over the budget.
    """
    found: dict[int, Fraction] = {}
    for monomial, number in polynomial.items():
        if len(monomial) > 1 or (monomial and monomial[0][0] != name):
            raise NotParsed("more than one unknown")
        found[monomial[0][1] if monomial else 0] = Fraction(number)
    size = max(found, default=-1)
    if size > DEGREE:
        raise NotParsed(f"a degree above {DEGREE}")
    return [found.get(power, Fraction(0)) for power in range(size + 1)]


def solutions(top: Dense, excluded: list[Dense]) -> Dense:
    """The polynomial with each root of `top` once, without excluded ones.

    Args:
        top: not empty.
        excluded: polynomials that must not vanish.
    """
    roots = _divided(top, common(top, _derivative(top)))
    for factor in excluded:
        roots = _divided(roots, common(roots, factor))
    return _monic(roots)


def common(one: Dense, other: Dense) -> Dense:
    """The greatest common divisor, monic."""
    while other:
        one, other = other, _monic(_remainder(one, other))
    return _monic(one)


def same_roots(one: Dense, other: Dense) -> bool | None:
    """Have they the same roots? None where only complex ones differ.

    Args:
        one, other: as `solutions` gives them.
    """
    if one == other:
        return True
    shared = common(one, other)
    rest = (_divided(one, shared), _divided(other, shared))
    return False if any(map(real_roots, rest)) else None


def real_roots(polynomial: Dense) -> int:
    """How many real roots it has, none of them repeated (Sturm 1829)."""
    if len(polynomial) < 2:
        return 0
    sequence = [polynomial, _derivative(polynomial)]
    while len(sequence[-1]) > 1:
        rest = _remainder(sequence[-2], sequence[-1])
        if not rest:
            break
        scale = abs(rest[-1])
        sequence.append([-number / scale for number in rest])
    right = [part[-1] > 0 for part in sequence]
    left = [
        sign == (len(p) % 2 == 1)
        for sign, p in zip(right, sequence, strict=True)
    ]
    return _changes(left) - _changes(right)


def _changes(signs: list[bool]) -> int:
    return sum(a != b for a, b in zip(signs, signs[1:], strict=False))


def _derivative(polynomial: Dense) -> Dense:
    return [power * number for power, number in enumerate(polynomial)][1:]


def _monic(polynomial: Dense) -> Dense:
    return [number / polynomial[-1] for number in polynomial]


def _divided(one: Dense, other: Dense) -> Dense:
    return _division(one, other)[0]


def _remainder(one: Dense, other: Dense) -> Dense:
    return _division(one, other)[1]


def _division(one: Dense, other: Dense) -> tuple[Dense, Dense]:
    rest, quotient = list(one), [Fraction(0)] * (len(one) - len(other) + 1)
    while len(rest) >= len(other):
        factor, shift = rest[-1] / other[-1], len(rest) - len(other)
        if max(factor.numerator, factor.denominator).bit_length() > _BITS:
            raise NotParsed(f"a coefficient of over {_BITS} bits")
        quotient[shift] = factor
        for power, number in enumerate(other):
            rest[power + shift] -= factor * number
        while rest and not rest[-1]:
            rest.pop()
    return quotient, rest
