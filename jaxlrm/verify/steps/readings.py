"""Does a closed claim hold, in this reading or in any other?

`compare` decides one equality of two sides without unknowns. False is only
what no sensible reading saves: another order of operations, a percentage as a
number, a rounding, a dropped sign, another unit.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from jaxlrm.verify.answers import numerical
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.steps.conversions import conversions, is_rate, mixes
from jaxlrm.verify.steps.series import closed_series
from jaxlrm.verify.steps.sides import Side
from jaxlrm.verify.steps.values import Value, value_of

READINGS = 24  # of one side
_FLOAT = 12  # digits that floats agree in
_CLOSE = Fraction(1, 10**9)  # relative error of a float


class Finding(enum.Enum):
    """What is found about a claim.

    Attributes:
        TRUE: it holds as it is written.
        NEAR: it holds as many write: with a result rightly rounded to some
            decimals, a percentage without its sign, or signs of equality that
            go on from the last result.
        DOUBTFUL: it holds in some reading alone.
        FALSE: it holds in none.
        NOTHING: it is not read, or says nothing.
    """

    TRUE = enum.auto()
    NEAR = enum.auto()
    DOUBTFUL = enum.auto()
    FALSE = enum.auto()
    NOTHING = enum.auto()


class Sentence(NamedTuple):
    """What a sentence says about all its claims.

    Attributes:
        rounds: are the numbers near ones?
        percent: is a percentage spoken of?
        thousands: are there thousands or millions?
    """

    rounds: bool = False
    percent: bool = False
    thousands: bool = False


def compare(left: Side, right: Side, near: bool, sentence: Sentence) -> Finding:
    """Are two sides equal?

    Args:
        left: the first side.
        right: the second side.
        near: does the claim say no more than that they are near (`≈`)?
        sentence: what the sentence says.
    """
    one, other = value_of(_written(left)), value_of(_written(right))
    if one is None or other is None:
        return Finding.NOTHING
    if _equal(one, other):
        return Finding.TRUE
    rounded = _rounded(one.number, other.number, right) or _rounded(
        other.number, one.number, left
    )
    if rounded is Finding.NEAR or (near and rounded):
        return Finding.TRUE if near else Finding.NEAR
    if rounded:
        return rounded
    if near or sentence.rounds:
        size = max(abs(one.number), abs(other.number))
        if abs(one.number - other.number) * 10 <= size:
            return Finding.DOUBTFUL
    return _in_other_readings(left, right, one, other, sentence)


def _written(side: Side) -> str:
    """In the reading of most: a percentage is a hundredth."""
    text = _series(side)
    if "//" in text:
        text = _floored(text)
    if "%" not in text:
        return text
    return " ".join(map(_percentage, text.split(" ")))


def _floored(text: str) -> str:
    """`17 // 5` as the parser reads it."""
    pieces = text.split(" ")
    if pieces.count("//") != 1 or "(" in pieces:
        return text
    index = pieces.index("//")
    if not 0 < index < len(pieces) - 1:
        return text
    quotient = f"\\lfloor {pieces[index - 1]} / {pieces[index + 1]} \\rfloor"
    return " ".join((*pieces[: index - 1], quotient, *pieces[index + 2 :]))


def _percentage(piece: str) -> str:
    if piece[-1:] != "%":
        return piece
    if piece[0] == ")":
        return ") / 100"
    return f"({piece.rstrip('%')}/100)"


def _equal(one: Value, other: Value) -> bool:
    if one.exact and other.exact:
        return one.number == other.number
    try:
        same = numerical.equal(one.tree, other.tree)
    except (NotParsed, ZeroDivisionError):
        same = None
    return same is True


def _places(side: Side) -> int | None:
    """How many decimals a plain number has; None for other sides."""
    if not side.plain:
        return None
    text = "".join(side.pieces).strip("()+-%")
    if not text.replace(".", "", 1).isdigit():
        return None
    return len(text.partition(".")[2])


def _rounded(exact: Fraction, shown: Fraction, side: Side) -> Finding | None:
    """Is what a side shows left of an exact value?"""
    places = _places(side)
    if places is None:
        return None
    if any("%" in piece for piece in side.pieces):
        places += 2
    unit = Fraction(1, 10**places)
    if (exact / unit).denominator == 1:
        return None  # it needs no rounding
    distance = abs(exact - shown)
    if places >= _FLOAT and distance * 10**_FLOAT <= abs(exact):
        return Finding.NEAR  # what a program prints
    if distance >= unit:
        return None
    if places and distance * 2 <= unit:
        return Finding.NEAR
    return Finding.DOUBTFUL


def _rounds_well(exact: Fraction, shown: Fraction, side: Side) -> bool:
    """The same, and not by much: in a reading of no great use."""
    return abs(exact - shown) * 20 <= abs(shown) and (
        _rounded(exact, shown, side) is not None
    )


def _in_other_readings(
    left: Side, right: Side, one: Value, other: Value, sentence: Sentence
) -> Finding:
    if one.number == -other.number:
        return Finding.DOUBTFUL  # the difference is meant
    money = bool(left.units & right.units & _MONEY)
    firsts = list(_values(left, money))
    seconds = list(_values(right, money))
    if right.pieces[0][-1] == "%" and right.pieces[1:2] == ("*",):
        # 45/300 = 15% of 300
        share = value_of(_percentage(right.pieces[0]))
        seconds += [] if share is None else [share.number]
    if _goes_on(one.number, right):
        return Finding.NEAR
    if sentence.percent or any("%" in p for p in left.pieces + right.pieces):
        if not money and _differ_by(firsts, seconds, (Fraction(100),), right):
            return Finding.NEAR
    for first, second in itertools.product(firsts, seconds):
        if _near(first, second) or first == -second:
            return Finding.DOUBTFUL
        if _rounds_well(first, second, right):
            return Finding.DOUBTFUL
        if _rounds_well(second, first, left):
            return Finding.DOUBTFUL
    factors = conversions(left, right)
    if sentence.thousands:
        factors |= {Fraction(1000), Fraction(10**6)}
    if _differ_by(firsts, seconds, factors, right):
        return Finding.DOUBTFUL
    if mixes(left.units | right.units) or is_rate(left) or is_rate(right):
        return Finding.DOUBTFUL
    if _within_operands(left, one.number, other.number) or _within_operands(
        right, other.number, one.number
    ):
        return Finding.DOUBTFUL
    return Finding.FALSE


_MONEY = frozenset("$£€¥₹")


def _near(one: Fraction, other: Fraction) -> bool:
    return abs(one - other) <= _CLOSE * max(abs(one), abs(other))


def _values(side: Side, money: bool) -> Iterator[Fraction]:
    """The values of a side in its readings."""
    seen = set()
    for text in itertools.islice(_texts(side, money), READINGS):
        if text in seen:
            continue
        seen.add(text)
        value = value_of(text)
        if value is not None:
            yield value.number


def _texts(side: Side, money: bool) -> Iterator[str]:
    written = _written(side)
    yield written
    for pieces in _by_percent(side.pieces, money):
        text = " ".join(pieces)
        yield text
        yield from _regrouped(pieces)
    if r"\pi" in written:
        yield written.replace(r"\pi", "(3.14)")
        yield written.replace(r"\pi", "(22/7)")
    if "^{" not in written and "!" in written:
        yield written.rstrip("! ")
    for name in (r"\sin", r"\cos", r"\tan"):
        if name in written and "°" not in written:
            yield _in_degrees(written)
            break


def _by_percent(
    pieces: tuple[str, ...], money: bool
) -> Iterator[tuple[str, ...]]:
    """Percentages as hundredths, as numbers, and as more or less of it."""
    if not any("%" in piece for piece in pieces):
        yield pieces
        return
    yield tuple(map(_percentage, pieces))
    if not money:
        yield tuple(piece.rstrip("%") for piece in pieces)
    if pieces[-1].endswith("%") and len(pieces) > 2 and pieces[-2] in "+-":
        part = f"(1 {pieces[-2]} {_percentage(pieces[-1])})"
        yield (*pieces[:-2], "*", part)
        yield ("(", *pieces[:-2], ")", "*", part)


def _regrouped(pieces: tuple[str, ...]) -> Iterator[str]:
    """Other orders of the operations."""
    flat = "(" not in pieces and not any("^" in piece for piece in pieces)
    if "//" in pieces:
        yield " ".join("/" if piece == "//" else piece for piece in pieces)
        return
    operators = [piece for piece in pieces if piece in _OPERATORS]
    # 10% of the 400 + 1580 = 1980
    if "/100" in pieces[0] and pieces[1:2] == ("*",):
        if not _OPERATORS.isdisjoint(pieces[2:]):
            yield " ".join(pieces[2:])
    if len(operators) < 2:
        return
    if flat:
        text = ""
        for piece in pieces:
            if piece in _OPERATORS and text:
                text = f"({text}) {piece}"
            else:
                text += f" {piece}"
        yield text
    fractions = [
        index
        for index in range(1, len(pieces) - 1)
        if pieces[index] == "/"
        and pieces[index - 1].isdigit()
        and pieces[index + 1].isdigit()
    ]
    # Literal fractions bind first: 28 / 1/5.
    for chosen in (fractions[::2], fractions[1::2], fractions[1:]):
        grouped = list(pieces)
        for index in chosen:
            grouped[index - 1] = "(" + grouped[index - 1]
            grouped[index + 1] = grouped[index + 1] + ")"
        yield " ".join(grouped)
    # Half of all that follows: half of 3 + 4.
    for place in (1, 3):
        if pieces[place : place + 1] == ("*",) and (
            pieces[0].startswith("(1/") or "/100" in pieces[0] or place == 3
        ):
            if place == 1 or pieces[1] == "/":
                part, rest = pieces[:place], pieces[place + 1 :]
                yield f"( {' '.join(part)} ) * ( {' '.join(rest)} )"
    # All behind a division is below it: 100 / 5 * 4.
    slash = pieces.index("/") if "/" in pieces else 0
    if slash:
        yield (
            " ".join(pieces[: slash + 1])
            + " ( "
            + " ".join(pieces[slash + 1 :])
            + " )"
        )


_OPERATORS = frozenset(("+", "-", "*", "/"))


def _in_degrees(text: str) -> str:
    words = text.split(" ")
    return " ".join(
        f"({word} * \\pi / 180)"
        if index and words[index - 1] in (r"\sin", r"\cos", r"\tan")
        else word
        for index, word in enumerate(words)
    )


def _goes_on(result: Fraction, right: Side) -> bool:
    """`20 - 4 = 16 / 2 = 8`: each sign goes on from the last result."""
    pieces = right.pieces
    for size in (1, 2, 3):
        if len(pieces) <= size or pieces[size] not in _OPERATORS:
            continue
        value = value_of(" ".join(pieces[:size]).rstrip("%"))
        if value is not None and (
            _near(value.number, result)
            or _rounded(
                result, value.number, Side(pieces[:size], frozenset(), True)
            )
        ):
            return True
    return False


def _differ_by(firsts, seconds, factors, right: Side) -> bool:
    for first, second in itertools.product(firsts, seconds):
        for factor in factors:
            if _near(first * factor, second) or _near(first, second * factor):
                return True
            for product in (first * factor, first / factor):
                if _rounds_well(product, second, right):
                    return True
    return False


def _within_operands(side: Side, value: Fraction, shown: Fraction) -> bool:
    """Does `33.33 * 3 = 100` hold for what its decimals may stand for?"""
    spread = Fraction(0)
    for index, piece in enumerate(side.pieces):
        number = piece.rstrip("%")
        whole, point, decimals = number.partition(".")
        if not point or not decimals.isdigit() or len(side.pieces) < 3:
            continue
        if len((whole + decimals).lstrip("0")) < 2 or len(decimals) < 2:
            continue
        if len(decimals) == 2 and decimals[1] in "05":
            continue
        half = Fraction(5, 10 ** (len(decimals) + 1))
        pieces = list(side.pieces)
        pieces[index] = f"({number} + {half.numerator}/{half.denominator})"
        if piece.endswith("%"):
            pieces[index] = f"({pieces[index]}/100)"
        moved = value_of(" ".join(map(_percentage, pieces)))
        if moved is not None:
            spread += abs(moved.number - value)
    return bool(spread) and abs(value - shown) <= spread


def holds_in_a_base(left: Side, right: Side) -> bool:
    """Does it hold where the numbers are written in another base?"""
    for base in range(2, 17):
        one, other = (_in_base(side, base) for side in (left, right))
        if other is None:
            continue
        for value in (one, value_of(_written(left))):
            if value is not None and value.number == other.number:
                return True
    return False


def _in_base(side: Side, base: int) -> Value | None:
    try:
        pieces = [
            str(int(piece, base)) if piece.isdigit() else piece
            for piece in side.pieces
        ]
    except ValueError:
        return None
    return value_of(" ".join(pieces))


def holds_modulo(left: Side, right: Side, moduli: frozenset[int]) -> bool:
    """Are they congruent modulo one of some numbers? 0 stands for any."""
    one, other = value_of(_written(left)), value_of(_written(right))
    if one is None or other is None:
        return False
    difference = one.number - other.number
    return any(
        not modulus or (difference / modulus).denominator == 1
        for modulus in moduli
    )


def _series(side: Side) -> str:
    """The text of a side, sums such as `1 + 2 + ... + 10` written out."""
    if "..." not in side.pieces:
        return side.text
    closed = closed_series(side.pieces)
    return closed or r"\undecided"
