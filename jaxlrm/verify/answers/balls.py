r"""Certified numerical comparison in ball arithmetic (Arb by python-flint).

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

from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.syntax import Tree

try:
    import flint
except ImportError:  # no wheel for this platform
    flint = None

PRECISIONS = (256, 1024, 4096)  # bits; more where balls are too wide
AGREEMENT = 100  # bits in which balls must agree, relatively and absolutely
EXPONENT = 1 << 14  # bits of the largest number within a computation
GAMMA = 1000  # largest argument of factorials
SUMMANDS = 256
WORK = 4000  # operations of one evaluation
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


def names(tree: Tree) -> frozenset[str]:
    """The variables of an expression, `i`, `e` and `pi` among them."""
    found = set()
    stack = [tree]
    while stack:
        node = stack.pop()
        if node[0] == "v":
            found.add(node[1])
        for part in node[1:]:
            if type(part) is tuple and part:
                if type(part[0]) is str:
                    stack.append(part)
                else:
                    stack.extend(p for p in part if type(p) is tuple)
    return frozenset(found)


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
            _Evaluation(known).value(one), _Evaluation(known).value(other)
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
    value = _Evaluation({}).value(tree)
    if not value.imag.contains(0) or not value.is_finite():
        raise NotParsed("no real number")
    return float(value.real)


def _rounds_to(tree: Tree, decimal: Fraction, half: Fraction) -> bool | None:
    value = _Evaluation({}).value(tree)
    if not value.imag.contains(0) or not value.is_finite():
        return False
    distance = abs(value.real - _rational(decimal).real)
    bound = _rational(half).real
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


def magnitude(value) -> int:
    """k where |value| < 2^k, for the largest of its ball."""
    upper = value.abs_upper()
    if upper == 0:
        return -(1 << 30)
    mantissa, exponent = upper.man_exp()
    return int(mantissa).bit_length() + int(exponent)


def _at(point: int, variables, one: Tree, other: Tree, known=None):
    """Both values at a point; None where one of them has none."""
    values = dict(known or {})
    size, signs = _POINTS[point]
    for index, name in enumerate(sorted(variables)):
        sign = signs[index % len(signs)]
        values[name] = _coordinate(name, point, size, sign)
    try:
        pair = _Evaluation(values).value(one), _Evaluation(values).value(other)
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


def _constant(name: str):
    if name == "pi":
        return flint.acb(flint.arb.pi())
    return flint.acb(flint.arb.const_e())


def _rational(number: int | Fraction):
    if type(number) is int:
        return flint.acb(number)
    return flint.acb(
        flint.arb(flint.fmpq(number.numerator, number.denominator))
    )


class _Evaluation:
    __slots__ = ("values", "work")

    def __init__(self, values):
        self.values = values
        self.work = WORK

    def value(self, tree: Tree):
        self.work -= 1
        if self.work < 0:
            raise NotParsed(f"more than {WORK} operations")
        kind = tree[0]
        if kind == "n":
            return _rational(tree[1])
        if kind == "v":
            return self.variable(tree[1])
        if kind == "+":
            return self.value(tree[1]) + self.value(tree[2])
        if kind == "*":
            return _bounded(self.value(tree[1]) * self.value(tree[2]))
        if kind == "-":
            return -self.value(tree[1])
        if kind == "/":
            bottom = self.value(tree[2])
            if bottom.contains(0):
                raise ZeroDivisionError("division by zero")
            return _bounded(self.value(tree[1]) / bottom)
        if kind == "^":
            return self.power(tree[1], tree[2])
        if kind == "f":
            return self.function(tree[1], tree[2])
        raise NotParsed(f"no expression: {kind}")

    def variable(self, name: str):
        known = self.values.get(name)
        if known is not None:
            return known
        if name in ("pi", "e"):
            return _constant(name)
        if name == "i":
            return flint.acb(0, 1)
        raise NotParsed(f"no value: {name}")

    def power(self, base_tree: Tree, exponent_tree: Tree):
        exponent = _fraction(exponent_tree)
        base = self.value(base_tree)
        if exponent is None:
            power = self.value(exponent_tree)
            if base_tree == ("v", "e"):
                _small_exponent(power, base)
                return power.exp()
            _small_exponent(power, base)
            return base**power
        numerator, denominator = exponent
        if abs(numerator) > EXPONENT:
            raise NotParsed(f"an exponent over {EXPONENT}")
        if abs(numerator) * max(8, abs(magnitude(base))) > EXPONENT * 8:
            raise NotParsed(f"a power of over {EXPONENT * 8} bits")
        if numerator < 0 and base.contains(0):
            raise ZeroDivisionError("a power of zero")
        if denominator != 1:
            base = _root(base, denominator)
        return base**numerator

    def function(self, name: str, arguments: tuple[Tree, ...]):
        if name in ("sum", "prod"):
            return self.total(name, arguments)
        values = [self.value(argument) for argument in arguments]
        if name == "root":
            degree = _fraction(arguments[1])
            if degree is None or degree[1] != 1 or not 1 <= degree[0] <= 64:
                raise NotParsed("a root of this degree")
            return _root(values[0], degree[0])
        if name == "log" and len(values) == 1 and "log" in self.values:
            return _log(values[0]) / _log(self.values["log"])
        if len(values) == 1 and name in _UNARY:
            return _bounded(_UNARY[name](values[0]))
        if name == "log" and len(values) == 2:
            return _log(values[0]) / _log(values[1])
        if name == "binomial":
            top, bottom = values
            return _gamma(top + 1) / (
                _gamma(bottom + 1) * _gamma(top - bottom + 1)
            )
        raise NotParsed(f"no value: {name}")

    def total(self, name: str, arguments: tuple[Tree, ...]):
        variable, lower, upper, body = arguments
        bounds = [_fraction(bound) for bound in (lower, upper)]
        if any(bound is None or bound[1] != 1 for bound in bounds):
            raise NotParsed("bounds that are no numbers")
        start, stop = bounds[0][0], bounds[1][0]
        if stop - start > SUMMANDS or abs(start) > 1 << 20:
            raise NotParsed(f"more than {SUMMANDS} summands")
        before = self.values.get(variable[1])
        result = flint.acb(0 if name == "sum" else 1)
        for number in range(start, stop + 1):
            self.values[variable[1]] = flint.acb(number)
            value = self.value(body)
            result = result + value if name == "sum" else result * value
            result = _bounded(result)
        self.values.pop(variable[1])
        if before is not None:
            self.values[variable[1]] = before
        return result


def _fraction(tree: Tree) -> tuple[int, int] | None:
    """An exponent as numerator and denominator, where it is written so."""
    kind = tree[0]
    if kind == "n":
        return tree[1].numerator, tree[1].denominator
    if kind == "-":
        inner = _fraction(tree[1])
        return None if inner is None else (-inner[0], inner[1])
    if kind == "/":
        top, bottom = _fraction(tree[1]), _fraction(tree[2])
        if top is None or bottom is None or not bottom[0]:
            return None
        value = Fraction(*top) / Fraction(*bottom)
        return value.numerator, value.denominator
    return None


def _bounded(value):
    if value.is_finite() and magnitude(value) > EXPONENT * 16:
        raise NotParsed("a number that is too large")
    return value


def _small_exponent(power, base) -> None:
    if not power.is_finite() or magnitude(power) > 14:
        raise NotParsed("an exponent that is too large")
    if base.is_finite() and magnitude(base) > 256:
        raise NotParsed("a base that is too large")


def _root(value, degree: int):
    """Real where the degree is odd, as in school; else the principal one."""
    if degree > 64:
        raise NotParsed("a root of this degree")
    if degree % 2 and value.imag.is_zero() and value.real < 0:
        return -_root(-value, degree)
    if degree == 2:
        return value.sqrt()
    return value.root(degree)


def _log(value):
    if value.contains(0):
        raise ZeroDivisionError("the logarithm of zero")
    return value.log()


def _exp(value):
    _small_exponent(value, value)
    return value.exp()


def _gamma(value):
    if not value.is_finite() or magnitude(value) > 10:
        raise NotParsed(f"a factorial of over {GAMMA}")
    result = value.gamma()
    if not result.is_finite():
        raise ZeroDivisionError("a pole of the gamma function")
    return result


def _periodic(method: str):
    def evaluate(value):
        if magnitude(value) > 64:
            raise NotParsed("an angle that is too large")
        if method in _HYPERBOLIC:
            _small_exponent(value, value)
        return getattr(value, method)()

    return evaluate


_HYPERBOLIC = ("sinh", "cosh", "tanh", "coth", "sech", "csch")


def _reciprocal(method: str):
    def evaluate(value):
        return getattr(1 / value, method)()

    return evaluate


def _real(function):
    def evaluate(value):
        if not value.imag.is_zero():
            raise NotParsed("no real number")
        return flint.acb(function(value.real))

    return evaluate


def _whole(method: str):
    """Floor and ceiling, where the ball has one."""

    def evaluate(value):
        result = getattr(value, method)()
        if not result.rad() == 0:
            raise NotParsed(f"the {method} of a ball around a whole number")
        return result

    return evaluate


_UNARY = {
    name: _periodic(name)
    for name in ("sin", "cos", "tan", "cot", "sec", "csc", *_HYPERBOLIC)
} | {
    "arcsin": lambda value: value.asin(),
    "arccos": lambda value: value.acos(),
    "arctan": lambda value: value.atan(),
    "arccot": _reciprocal("atan"),
    "arcsec": _reciprocal("acos"),
    "arccsc": _reciprocal("asin"),
    "arcsinh": lambda value: value.asinh(),
    "arccosh": lambda value: value.acosh(),
    "arctanh": lambda value: value.atanh(),
    "ln": _log,
    "log": _log,
    "abs": lambda value: flint.acb(abs(value)),
    "norm": lambda value: flint.acb(abs(value)),
    "factorial": lambda value: _gamma(value + 1),
    "degrees": lambda value: value * flint.acb(flint.arb.pi()) / 180,
    "floor": _real(_whole("floor")),
    "ceil": _real(_whole("ceil")),
    "sgn": _real(lambda value: value.sgn()),
    "cis": lambda value: (value * flint.acb(0, 1)).exp(),
    "Re": lambda value: flint.acb(value.real),
    "Im": lambda value: flint.acb(value.imag),
    "transpose": lambda value: value,
}
