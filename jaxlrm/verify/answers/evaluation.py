"""Values of expressions in ball arithmetic (Arb by python-flint).

A value is a complex ball: a midpoint, and a radius that encloses all rounding
errors. Every operation is bounded.
"""

from __future__ import annotations

from fractions import Fraction

from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.syntax import Tree

try:
    import flint
except ImportError:  # no wheel for this platform
    flint = None

EXPONENT = 1 << 14  # bits of the largest number within a computation
GAMMA = 1000  # largest argument of factorials
SUMMANDS = 256
WORK = 4000  # operations of one evaluation


def magnitude(value) -> int:
    """k where |value| < 2^k, for the largest of its ball."""
    upper = value.abs_upper()
    if upper == 0:
        return -(1 << 30)
    mantissa, exponent = upper.man_exp()
    return int(mantissa).bit_length() + int(exponent)


def _constant(name: str):
    if name == "pi":
        return flint.acb(flint.arb.pi())
    return flint.acb(flint.arb.const_e())


def as_ball(number: int | Fraction):
    """A ball around an exact number."""
    if type(number) is int:
        return flint.acb(number)
    return flint.acb(
        flint.arb(flint.fmpq(number.numerator, number.denominator))
    )


class Evaluation:
    """Evaluates trees, within one budget of operations.

    Attributes:
        values: balls for variables; `log`, if there, is the base of the
            logarithm without one.
        work: operations that may still be made.
    """

    __slots__ = ("values", "work")

    def __init__(self, values):
        self.values = values
        self.work = WORK

    def value(self, tree: Tree):
        """The ball of an expression.

        Raises:
            NotParsed: it has no value, or is over a budget.
            ZeroDivisionError: it divides by what may be zero.
        """
        self.work -= 1
        if self.work < 0:
            raise NotParsed(f"more than {WORK} operations")
        kind = tree[0]
        if kind == "n":
            return as_ball(tree[1])
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
        """The ball of a variable or constant."""
        known = self.values.get(name)
        if known is not None:
            return known
        if name in ("pi", "e"):
            return _constant(name)
        if name == "i":
            return flint.acb(0, 1)
        raise NotParsed(f"no value: {name}")

    def power(self, base_tree: Tree, exponent_tree: Tree):
        """The ball of a power; exact exponents are written as fractions."""
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
        """The ball of a function of its arguments."""
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
        """A sum or product over whole numbers, written out."""
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
