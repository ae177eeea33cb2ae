r"""Certified numerical comparison of expressions, in ball arithmetic.

A ball is a midpoint with a radius that encloses all rounding errors: disjoint
balls show that two numbers differ. Balls that overlap within a relative 2^-100
are taken as equal. Expressions with variables are compared at secret points,
positive and negative.

Without python-flint every comparison is undecided.
"""

from __future__ import annotations

import hashlib
import os
from fractions import Fraction

from jaxlrm.verify.answers.evaluation import (
    Evaluation,
    as_ball,
    flint,
    magnitude,
)
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.syntax import Tree, names

PRECISIONS = (256, 1024, 4096)  # bits; more where balls are too wide
AGREEMENT = 100  # bits in which balls must agree, relatively and absolutely
# Magnitudes and signs of the variables at the points that are tried. Small
# ones are in the domain of arcsin; large ones in that of sqrt(x - 1).
_POINTS = (
    (0.4, (1,)),
    (1.5, (1,)),
    (6.0, (1,)),
    (0.5, (-1,)),
    (2.5, (1, -1)),
    (3.0, (-1,)),
)
_KEY = os.urandom(32)


class _TooWideError(Exception):
    """More precision may tell."""


def equal(one: Tree, other: Tree) -> bool | None:
    """Are two expressions equal? None where it is not shown.

    Where a value is not real (the logarithm of a negative number) a
    difference is not held against them, unless `i` is written.

    Raises:
        NotParsed: a tree that is no expression, or a budget.
    """
    return _with_precision(_equal, one, other)


def equal_up_to_constant(one: Tree, other: Tree, name: str) -> bool | None:
    """Do they differ by a constant, with `name` the constant of integration?

    Raises:
        NotParsed: a tree that is no expression, or a budget.
    """
    return _with_precision(_equal_up_to_constant, one, other, name)


def proportional(one: Tree, other: Tree) -> bool | None:
    """Is one a nonzero constant times the other?

    Raises:
        NotParsed: a tree that is no expression, or a budget.
    """
    return _with_precision(_proportional, one, other)


def same_sign(one: Tree, other: Tree) -> bool | None:
    """Have two expressions the same sign at a point, where both have one?

    Raises:
        NotParsed: a tree that is no expression, or a budget.
    """
    return _with_precision(_same_sign, one, other)


def nearest(tree: Tree) -> float:
    """A float near the value of a real expression without variables.

    Raises:
        NotParsed: it has no such value.
    """
    return _with_precision(_nearest, tree)


def rounds_to(tree: Tree, decimal: Fraction, half: Fraction) -> bool | None:
    """Is the value of `tree` within `half` of `decimal`?

    Raises:
        NotParsed: it has no such value.
    """
    return _with_precision(_rounds_to, tree, decimal, half)


def _with_precision(function, *arguments):
    if flint is None:
        return _undecided(function)
    before = flint.ctx.prec
    try:
        for precision in PRECISIONS:
            flint.ctx.prec = precision
            try:
                return function(*arguments)
            except _TooWideError:
                continue
        return None
    except (ValueError, OverflowError, ArithmeticError) as error:
        raise NotParsed(str(error)) from error
    finally:
        flint.ctx.prec = before


def _undecided(function):
    if function is _nearest:
        raise NotParsed("python-flint is not installed")
    return None


def _equal(one: Tree, other: Tree) -> bool | None:
    if not (_has_log(one) or _has_log(other)):
        return _equal_reading(one, other, None)
    # The base of a log without one is e or 10.
    for base in (None, 10):
        same = _equal_reading(one, other, base)
        if same is not False:
            break
    return same


def _has_log(tree: Tree) -> bool:
    return "('f', 'log'," in repr(tree)


def _equal_reading(one: Tree, other: Tree, log_base: int | None):
    variables = names(one) | names(other)
    known = {"log": flint.acb(log_base)} if log_base else {}
    complex_ = "i" in variables
    variables = variables - {"i", "e", "pi"}
    if not variables:
        return _same(
            Evaluation(known).value(one), Evaluation(known).value(other)
        )
    agreed = skipped = 0
    for point in range(len(_POINTS)):
        pair = _at(point, variables, one, other, known)
        if pair is None:
            continue
        same = _same(*pair)
        real = pair[0].imag.is_zero() and pair[1].imag.is_zero()
        if same is False:
            if real or complex_:
                return False
            # One that is real where the other is not has a larger domain.
            skipped += pair[0].imag.is_zero() != pair[1].imag.is_zero()
        elif same:
            agreed += 1
    # Where one of them is not real, it is a matter of its domain.
    return True if agreed >= 2 and agreed > skipped else None


def _equal_up_to_constant(one: Tree, other: Tree, name: str) -> bool | None:
    variables = (names(one) | names(other)) - {"i", "e", "pi", name}
    if not variables:
        return None
    found = []  # the differences at points where both are real
    for point, (_, signs) in enumerate(_POINTS):
        without, with_one = (
            _at(point, variables, one, other, {name: flint.acb(constant)})
            for constant in (0, 1)
        )
        if without is None or with_one is None:
            continue
        for before, after in zip(without, with_one, strict=True):
            if not _same(after - before, flint.acb(1)):
                return None  # the constant is not added
        difference = without[0] - without[1]
        if not difference.imag.is_zero():
            continue
        if found and not _same(1 + found[0], 1 + difference):
            # Beyond a pole (ln|x| + C) there may be another constant.
            return False if signs == (1,) else None
        found.append(difference)
    return True if len(found) > 1 else None


def _proportional(one: Tree, other: Tree) -> bool | None:
    variables = (names(one) | names(other)) - {"i", "e", "pi"}
    ratios = []
    for point in range(len(_POINTS)):
        pair = _at(point, variables, one, other)
        if pair is None or pair[0].contains(0) or pair[1].contains(0):
            continue
        ratios.append(pair[0] / pair[1])
        if len(ratios) > 1:
            same = _same(ratios[0], ratios[-1])
            if not same:
                return same
    return True if len(ratios) > 2 else None


def _same_sign(one: Tree, other: Tree) -> bool | None:
    variables = (names(one) | names(other)) - {"i", "e", "pi"}
    for point in range(len(_POINTS)):
        pair = _at(point, variables, one, other)
        if pair is None or any(value.real.contains(0) for value in pair):
            continue
        return bool(pair[0].real > 0) == bool(pair[1].real > 0)
    return None


def _nearest(tree: Tree) -> float:
    value = Evaluation({}).value(tree)
    if not value.imag.contains(0) or not value.is_finite():
        raise NotParsed("no real number")
    return float(value.real)


def _rounds_to(tree: Tree, decimal: Fraction, half: Fraction) -> bool | None:
    value = Evaluation({}).value(tree)
    if not value.imag.contains(0) or not value.is_finite():
        return False
    distance = abs(value.real - as_ball(decimal).real)
    bound = as_ball(half).real
    if distance <= bound:
        return True
    return False if distance > bound else None


def _same(one, other) -> bool | None:
    if not (one.is_finite() and other.is_finite()):
        return None
    difference = one - other
    if not difference.contains(0):
        return False
    error = magnitude(difference)
    size = max(magnitude(one), magnitude(other))
    if error <= min(size, 0) - AGREEMENT or error <= -AGREEMENT - 60:
        return True
    raise _TooWideError("balls that overlap and are wide")


def _at(point: int, variables, one: Tree, other: Tree, known=None):
    """Both values at a point; None where one of them has none."""
    values = dict(known or {})
    size, signs = _POINTS[point]
    for index, name in enumerate(sorted(variables)):
        sign = signs[index % len(signs)]
        values[name] = _coordinate(name, point, size, sign)
    try:
        pair = Evaluation(values).value(one), Evaluation(values).value(other)
    except ZeroDivisionError:
        return None
    return pair if all(value.is_finite() for value in pair) else None


def _coordinate(name: str, point: int, size: float, sign: int):
    digest = hashlib.blake2b(
        f"{point} {name}".encode(), key=_KEY, digest_size=8
    ).digest()
    fraction = int.from_bytes(digest, "big")
    scaled = int(size * 1024) * ((1 << 64) + fraction)
    # Between size and twice size; a dyadic number, so it is exact.
    return flint.acb(flint.arb(sign * scaled)) / (1 << 74)
