"""Working out expressions on paper: which lines a careful pupil writes.

An expression is a number (`int`, or a `Fraction` in lowest terms) or a tuple
`(operator, left, right)`, or `("neg", node)`. What cannot be done in the head
is done aside, in a block of lines, before the main line is written again.

There is more than one way to work. With a `random.Random` a pupil now and then
takes another: writes aside what could be done in the head, or guesses a digit
of a quotient too low and goes on from there. A model that has seen both can go
on where one of them fails it.
"""

from __future__ import annotations

import math
import random
from fractions import Fraction

# Quotients of numbers below it are reduced in the head.
_SMALL = 100
# Numbers below it are divided by 3 to 9 in the head, all others by 2.
_SHORT = 10_000
_ASIDE = 0.25  # share of products by one digit that are done aside
_LOW = 0.06  # share of digits that are guessed too low


def render(node, _outer: str = "") -> str:
    """`("*", 2, ("+", 3, -4))` as `2*(3 + -4)`."""
    if isinstance(node, int):
        return str(node)
    if isinstance(node, Fraction):
        return f"{node.numerator}/{node.denominator}"
    if node[0] == "neg":
        return f"-({render(node[1])})"
    operator, left, right = node
    one, other = render(left), render(right)
    if operator in ("+", "-"):
        if _is_sum(right):
            other = f"({other})"
        return f"{one} {operator} {other}"
    if _is_sum(left) or isinstance(left, Fraction) or _starts_negative(node):
        one = f"({one})"
    if not isinstance(right, int) or right < 0:
        other = f"({other})"
    return f"{one}{operator}{other}"


def _is_sum(node) -> bool:
    return isinstance(node, tuple) and node[0] in ("+", "-")


def _starts_negative(node) -> bool:
    return node[0] == "/" and isinstance(node[1], int) and node[1] < 0


def value(node) -> Fraction:
    """What the expression comes to."""
    if not isinstance(node, tuple):
        return Fraction(node)
    if node[0] == "neg":
        return -value(node[1])
    operator, left, right = node[0], value(node[1]), value(node[2])
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    return left * right if operator == "*" else left / right


def chain(
    node, stated: str = "", rng: random.Random | None = None
) -> list[str]:
    """The lines that work `node` out, the answer last; empty for an integer.

    Args:
        node: the expression.
        stated: how the problem writes it; no line says the same.
        rng: for other ways to work than the shortest.
    """
    lines = []
    before = (stated or render(node)).replace(" ", "")
    node = _settle(node)
    while isinstance(node, tuple):
        aside, node = _reduce(node, rng)
        lines += aside
        node = _settle(node)
        line = render(node)
        if line.replace(" ", "") != before:
            lines.append(line)
        before = line.replace(" ", "")
    if not lines and isinstance(node, Fraction):
        lines.append(render(node))
    return lines


def _settle(node):
    """Small quotients in lowest terms are numbers: nothing is left to do."""
    if not isinstance(node, tuple):
        return node
    if node[0] == "neg":
        inner = _settle(node[1])
        return (node[0], inner) if isinstance(inner, tuple) else -inner
    operator, left, right = node[0], _settle(node[1]), _settle(node[2])
    if (
        operator == "/"
        and isinstance(left, int)
        and isinstance(right, int)
        and 1 < right < _SMALL
        and abs(left) < _SMALL
        and math.gcd(left, right) == 1
    ):
        return Fraction(left, right)
    return (operator, left, right)


def _reduce(node, rng):
    """Carries out the first operation on two numbers: `(aside, node)`."""
    if node[0] == "neg":
        aside, inner = _reduce(node[1], rng)
        return aside, (node[0], inner)
    operator, left, right = node
    if isinstance(left, tuple):
        aside, left = _reduce(left, rng)
        return aside, (operator, left, right)
    if isinstance(right, tuple):
        aside, right = _reduce(right, rng)
        return aside, (operator, left, right)
    if isinstance(left, int) and isinstance(right, int):
        return _integers(operator, left, right, rng)
    return [], _fractions(operator, left, right)


def _integers(operator: str, left: int, right: int, rng):
    if operator == "+":
        return [], left + right
    if operator == "-":
        return [], left - right
    if operator == "*":
        return product(abs(left), abs(right), rng), left * right
    if right < 0:
        left, right = -left, -right
    common = _visible(abs(left), right)
    if common < math.gcd(left, right):  # there is more to cancel
        if common > 1:
            return [], ("/", left // common, right // common)
        aside = quotient(abs(left), right, rng)
    elif 2 < right == common < 10 and abs(left) >= _SHORT:
        aside = division(abs(left), right, rng)
    else:
        aside = []
    return aside, _number(Fraction(left, right))


def _visible(top: int, bottom: int) -> int:
    """The common factor that is seen at a glance."""
    common = math.gcd(top, bottom)
    short = top % bottom == 0 and top // bottom < 10
    if short or bottom < 10 or max(top, bottom) < _SMALL:
        return common
    return next((c for c in (10, 2, 5) if common % c == 0), 1)


def _number(fraction: Fraction):
    return int(fraction) if fraction.denominator == 1 else fraction


def _fractions(operator: str, left, right):
    """The same with one operation less on fractions."""
    a, b = left.numerator, left.denominator
    c, d = right.numerator, right.denominator
    if operator == "*":
        return _quotient(a, c, b, d)
    if operator == "/":
        if c < 0:
            a, c = -a, -c
        return _quotient(a, d, b, c)
    if b == d:
        return ("/", (operator, a, c), b)
    if b % d == 0 and b // d < 10:
        return ("/", (operator, a, _times(c, b // d)), b)
    if d % b == 0 and d // b < 10:
        return ("/", (operator, _times(a, d // b), c), d)
    return ("/", (operator, _times(a, d), _times(c, b)), _times(b, d))


def _quotient(a: int, c: int, b: int, d: int):
    """`a*c/(b*d)`; factors of 1 go, but not both at once."""
    top, bottom = _times(a, c), _times(b, d)
    if isinstance(top, int) and isinstance(bottom, int):
        top = ("*", a, c)
    return ("/", top, bottom)


def _times(one: int, other: int):
    if one == 1:
        return other
    return one if other == 1 else ("*", one, other)


def _leading(number: int) -> int:
    """`700` for 775."""
    unit = 10 ** (len(str(number)) - 1)
    return number - number % unit


def guess(number: int, rng: random.Random | None = None) -> int:
    """The leading digit of a quotient, `700` for 775; `600` if too low."""
    part = _leading(number)
    unit = 10 ** (len(str(number)) - 1)
    if rng is not None and part > unit and rng.random() < _LOW:
        part -= unit
    return part


def significant(number: int) -> int:
    """Digits, without the zeros at the end: two for 380."""
    return len(str(number).rstrip("0"))


def product(
    one: int, other: int, rng: random.Random | None = None
) -> list[str]:
    """The lines of a long product, none if one factor has a single digit.

    775*986 = 697500 + 775*86
    = 697500 + 62000 + 775*6
    = 759500 + 775*6
    = 759500 + 4650
    = 764150

    With `rng` some of those by a single digit are written too.
    """
    by, rest = (one, other) if one >= other else (other, one)
    if min(significant(by), significant(rest)) <= 1:
        if rng is None or not 1 < rest < 10 or significant(by) < 3:
            return []
        if rng.random() >= _ASIDE:
            return []
        by, rest = rest, by
    opening = f"{one}*{other}"
    lines, total = [], 0
    while rest:
        part = _leading(rest)
        rest -= part
        after = f" + {by}*{rest}" if rest else ""
        if total:
            lines.append(f"= {total} + {by * part}{after}")
        else:
            lines.append(f"{opening} = {by * part}{after}")
        total += by * part
        if len(lines) > 1:
            lines.append(f"= {total}{after}")
    return lines


def quotient(
    top: int, bottom: int, rng: random.Random | None = None
) -> list[str]:
    """The lines that bring a quotient of positive integers to lowest terms.

    A long division; if it leaves a rest, Euclid's algorithm for the greatest
    common divisor, by which both are divided.

        11920/1341 = 8 + (11920 - 10728)/1341
        = 8 + 1192/1341
        gcd(1192, 1341 - 1192)
        gcd(1192, 149)
        ...
        gcd(0, 149)
        11920/149 = 80
        1341/149 = 9
    """
    lines = division(top, bottom, rng)
    whole, rest = divmod(top, bottom)
    if rest == 0:
        return lines
    if bottom < _SMALL:
        fraction = Fraction(rest, bottom)
        if fraction.denominator < bottom:
            lines.append(f"= {whole} + {render(fraction)}")
        return [*lines, f"= {render(whole + fraction)}"]
    common = math.gcd(top, bottom)
    lines += euclid(rest, bottom, rng)
    if common > 1:
        for number in (top, bottom):
            lines += division(number, common, rng)
    return lines


def division(
    top: int, bottom: int, rng: random.Random | None = None
) -> list[str]:
    """Long division: the lines that split the quotient off digit by digit."""
    if top < bottom:
        return []
    whole, rest = divmod(top, bottom)
    short = bottom < (10 if top < _SHORT else 3)
    if rest == 0 and (short or significant(whole) == 1):
        return [f"{top}/{bottom} = {whole}"]
    lines, found, left = [], 0, top
    while True:
        part = guess(left // bottom, rng)
        if left == part * bottom:
            lines += [f"= {found} + {part}", f"= {whole}"]
            return lines
        found += part
        head = "" if lines else f"{top}/{bottom} "
        lines.append(f"{head}= {found} + ({left} - {part * bottom})/{bottom}")
        left -= part * bottom
        lines.append(f"= {found} + {left}/{bottom}")
        if left < bottom:
            return lines


def euclid(one: int, other: int, rng: random.Random | None = None) -> list[str]:
    """Euclid's algorithm: the lines after `gcd(one, other)`.

        gcd(8, 186 - 160)
        gcd(8, 26)
        gcd(8, 2)
        gcd(0, 2)

    up to a 0 or a 1; the numbers keep their places.
    """
    lines = []
    while one and other and 1 not in (one, other):
        big, small = max(one, other), min(one, other)
        part = guess(big // small, rng) * small
        if big < _SMALL:
            part = big - big % small
        elif one >= other:
            lines.append(f"gcd({one} - {part}, {other})")
        else:
            lines.append(f"gcd({one}, {other} - {part})")
        if one >= other:
            one -= part
        else:
            other -= part
        lines.append(f"gcd({one}, {other})")
    return lines
