r"""Exact values, and a parser with budgets.

A line of mathematics is read by a parser of our own, which computes as it
reads: exact rational numbers and rational functions with rational
coefficients. Nothing is evaluated by Python and no step takes more than its
budget: what is too large is `NotParsed`.

Covered: numbers, `+ - * / ^ **`, integer exponents, brackets, chains of signs,
one-letter and Greek variables, implicit products, equations; plain text and
simple LaTeX.
"""

from __future__ import annotations

import functools
import re
from fractions import Fraction
from typing import NamedTuple

# Budgets. Typical lines stay far below; a bomb stops before it is computed.
LENGTH = 4096  # characters of a line
TOKENS = 1024
DEPTH = 64  # nested brackets, signs and exponents
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


class Line(NamedTuple):
    """A parsed line.

    Attributes:
        sides: the values between the equals signs; one for an expression.
        names: the variables written in it, cancelled or not.
        excluded: denominators that were cancelled, and must not vanish.
    """

    sides: tuple[Value, ...]
    names: frozenset[str]
    excluded: tuple[Polynomial, ...] = ()


# --- The parser -------------------------------------------------------------

# ASCII for what people and models write.
UNICODE = str.maketrans(
    {
        "\N{MINUS SIGN}": "-",
        "\N{EN DASH}": "-",
        "\N{MULTIPLICATION SIGN}": "*",
        "\N{MIDDLE DOT}": "*",
        "\N{DOT OPERATOR}": "*",
        "\N{DIVISION SIGN}": "/",
        "\N{SUPERSCRIPT TWO}": "^2",
        "\N{SUPERSCRIPT THREE}": "^3",
        "\N{GREEK SMALL LETTER PI}": r"\pi ",
        "\N{NO-BREAK SPACE}": " ",
        "\N{THIN SPACE}": " ",
    }
)
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])")
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[0-9]+(?:\.[0-9]+)?|\.[0-9]+|\*\*|\S")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
# Short words that are not products of variables.
_WORDS = frozenset(
    """an and are as at be but by can cos do exp for gcd get has if in is it
    lcm let ln log max min mod no not of or sin so tan the to two we yes you
    """.split()
)
_GREEK = frozenset(
    r"""\alpha \beta \gamma \delta \epsilon \theta \lambda \mu \nu \pi \rho
    \sigma \tau \phi \varphi \psi \omega""".split()
)
_COMMANDS = {
    r"\cdot": "*",
    r"\times": "*",
    r"\div": "/",
    r"\dfrac": r"\frac",
    r"\tfrac": r"\frac",
    "**": "^",
} | dict.fromkeys(
    [r"\left", r"\right", r"\,", r"\;", r"\:", r"\!", r"\ ", r"\quad"]
    + [r"\(", r"\)", r"\[", r"\]", r"\displaystyle"],
    "",
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_SUM, _PRODUCT, _EXPONENT = 1, 2, 3
_BINDING = {
    "+": _SUM,
    "-": _SUM,
    "*": _PRODUCT,
    "/": _PRODUCT,
    "^": _EXPONENT,
}


def parse(text: str) -> Line:
    r"""Reads an expression, an equation, or a chain `a = b = c`.

    `2x`, `2(x + 1)`, `xy^2` are products; `1/2x` is ambiguous and refused;
    `2\frac{1}{2}` is the mixed number. Powers bind to the right, before signs.

    Raises:
        NotParsed: outside the grammar or over a budget.
        ZeroDivisionError: it divides by zero.
    """
    if len(text) > LENGTH:
        raise NotParsed(f"{len(text)} characters; at most {LENGTH} are read")
    return _parse(text)


# A line is read when it is written and again when the next one is compared.
@functools.lru_cache(maxsize=4096)
def _parse(text: str) -> Line:
    return _Parser(_tokens(text)).line()


def ungroup(text: str) -> str:
    """`1234567` for `1,234,567`; other commas stay."""
    return _THOUSANDS.sub(lambda match: match.group().replace(",", ""), text)


def _tokens(text: str) -> list[str]:
    if not text.isascii():
        text = text.translate(UNICODE)
        if not text.isascii():
            raise NotParsed(f"characters outside ASCII: {ascii(text[:80])}")
    text = text.strip().removesuffix(".")
    if text[:1] == "$" and text[-1:] == "$":
        text = text[1:-1]
    if "," in text:
        text = ungroup(text)
    for word in _WORD.findall(text):
        if word == "pi":
            text = re.sub(r"(?<![\\A-Za-z])pi(?![A-Za-z])", r"\\pi ", text)
        elif len(word) > 3 or word.lower() in _WORDS:
            raise NotParsed(f"a word, not a product of variables: {word[:80]}")
    tokens = _TOKEN.findall(text)
    if len(tokens) > TOKENS:
        raise NotParsed(f"{len(tokens)} tokens; at most {TOKENS} are read")
    if "\\" in text or "**" in text:
        tokens = [_COMMANDS.get(token, token) for token in tokens]
        tokens = [token for token in tokens if token]
    tokens.append("")
    return tokens


class _Parser:
    """Precedence climbing (Pratt 1973) that computes as it reads."""

    def __init__(self, tokens: list[str]):
        self.tokens = tokens
        self.index = 0
        self.depth = 0
        self.names: set[str] = set()
        self.algebra = Algebra()

    def line(self) -> Line:
        sides = [self.expression(0)]
        while self.tokens[self.index] == "=":
            self.index += 1
            sides.append(self.expression(0))
        if self.tokens[self.index]:
            self.refuse()
        names, excluded = frozenset(self.names), tuple(self.algebra.cancelled)
        return Line(tuple(sides), names, excluded)

    def refuse(self):
        token = self.tokens[self.index]
        raise NotParsed(
            f"unexpected {token[:80]!r} as token {self.index + 1}"
            if token
            else "the line ends too early"
        )

    def expression(self, minimum: int) -> Value:
        """Reads operators that bind more tightly than `minimum`."""
        self.depth += 1
        if self.depth > DEPTH:
            raise NotParsed(f"nested deeper than {DEPTH}")
        tokens = self.tokens
        left = self.prefix()
        divided = False
        while True:
            token = tokens[self.index]
            binding = _BINDING.get(token)
            if binding is None:
                if not token or minimum >= _PRODUCT or not _is_factor(token):
                    break
                if divided:
                    raise NotParsed("1/2x may be (1/2)x or 1/(2x)")
                self.refuse_call()
                left = self.algebra.multiply(left, self.expression(_PRODUCT))
                continue
            if binding <= minimum:
                break
            self.index += 1
            if binding == _EXPONENT:  # binds to the right
                right = self.expression(_PRODUCT)
                left = self.algebra.power(left, right)
                continue
            right = self.expression(binding)
            if token == "+":
                left = self.algebra.add(left, right)
            elif token == "-":
                left = self.algebra.add(left, negate(right))
            elif token == "*":
                left = self.algebra.multiply(left, right)
                divided = False
            else:
                left = self.algebra.divide(left, right)
                divided = True
        self.depth -= 1
        return left

    def prefix(self) -> Value:
        """Reads one operand with the signs before it."""
        token = self.tokens[self.index]
        self.index += 1
        first = token[:1]
        if first.isdigit() or (first == "." and len(token) > 1):
            value = _literal(token)
            if self.tokens[self.index] == r"\frac" and type(value) is int:
                return self.mixed(value)
            return value
        if first.isalpha() or token in _GREEK:
            self.names.add(token)
            return Ratio({((token, 1),): 1}, ONE)
        if token == "-":
            return negate(self.expression(_PRODUCT))
        if token == "+":
            return self.expression(_PRODUCT)
        if token in _CLOSING:
            return self.group(_CLOSING[token])
        if token == r"\frac":
            return self.algebra.divide(*self.fraction())
        self.index -= 1
        self.refuse()

    def group(self, closing: str) -> Value:
        value = self.expression(0)
        if self.tokens[self.index] != closing:
            self.refuse()
        self.index += 1
        return value

    def fraction(self) -> tuple[Value, Value]:
        r"""The two arguments of `\frac`; `\frac12` is one half."""
        token = self.tokens[self.index]
        if len(token) == 2 and token.isdigit():
            self.index += 1
            return int(token[0]), int(token[1])
        return self.argument(), self.argument()

    def argument(self) -> Value:
        token = self.tokens[self.index]
        self.index += 1
        if token == "{":
            return self.group("}")
        if len(token) == 1 and token.isdigit():
            return int(token)
        self.index -= 1
        self.refuse()

    def mixed(self, whole: int) -> Value:
        r"""`2\frac{1}{3}` is a mixed number, `2\frac{x}{3}` a product."""
        self.index += 1
        top, bottom = self.fraction()
        value = self.algebra.divide(top, bottom)
        if type(top) is int and type(bottom) is int and 0 < top < bottom:
            return self.algebra.add(whole, value)
        return self.algebra.multiply(whole, value)

    def refuse_call(self):
        """`f(x)` is not a product."""
        before, after = self.tokens[self.index - 1 : self.index + 1]
        if after == "(" and before in ("f", "g", "h"):
            raise NotParsed(f"{before}(...) is not a product")


def _is_factor(token: str) -> bool:
    """Can `token` begin the second factor of a product without a sign?"""
    return (
        token.isalpha() or token in "([" or token == r"\frac" or token in _GREEK
    )


def _literal(token: str) -> Number:
    if len(token) > DIGITS:
        raise NotParsed(f"{len(token)} digits; at most {DIGITS} are read")
    whole, point, decimals = token.partition(".")
    if not point:
        return int(token)
    return lowest(Fraction(int(whole + decimals), 10 ** len(decimals)))


# --- Exact values -----------------------------------------------------------


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


def difference(line: Line) -> Value:
    """Left side minus right side of an equation.

    Raises:
        NotParsed: over a budget.
    """
    left, right = line.sides
    return Algebra().add(left, negate(right))


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
