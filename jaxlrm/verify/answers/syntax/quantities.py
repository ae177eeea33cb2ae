"""Units behind numbers."""

from __future__ import annotations

from fractions import Fraction

from jaxlrm.verify.answers import units
from jaxlrm.verify.answers.syntax.cursor import Cursor
from jaxlrm.verify.answers.syntax.names import ALSO_UNITS, FUNCTIONS, UNITLESS

_POWERS = {
    "squared": 2,
    "cubed": 3,
    "2": 2,
    "3": 3,
    "−1": -1,
    "−2": -2,
    "−3": -3,
}


def is_per(cursor: Cursor) -> bool:
    """Is the next token, a `/`, the one of `5/lb`?"""
    below = cursor.tokens[cursor.index + 1]
    return below in units.PLAIN and below not in FUNCTIONS


def is_rate(cursor: Cursor) -> bool:
    """Is the next token, a letter, the unit of `5 g/cm`?"""
    tokens = cursor.tokens
    return (
        tokens[cursor.index + 1] == "/"
        and tokens[cursor.index + 2] in units.PLAIN
        and tokens[cursor.index + 2] not in FUNCTIONS
        and cursor.after_number()
    )


def unit_follows(cursor: Cursor) -> bool:
    """Is the next token a unit, where no factor is one?"""
    token = cursor.tokens[cursor.index]
    if token == "%" or token == "¢" or token in units.CURRENCIES:
        return True
    if token == "/":
        return is_per(cursor)
    if token in units.LETTERS and is_rate(cursor):
        return True
    if token.startswith(r"\text{"):
        if token[6:] in UNITLESS:
            return False
        return token[6:7].isalpha() or token[6:7] in "°%"
    if token in ALSO_UNITS:
        return cursor.is_unit()
    if token in units.PLAIN or token == "per":
        return True
    return len(token) > 3 and token.isalpha()


def read_unit(cursor: Cursor) -> tuple[units.Unit, Fraction]:
    """Reads `cm^2`, `km/h`, `\\text{square feet}`, `N-m`, `million dollars`.

    Returns:
        The unit, and what words such as million multiply the number by.
    """
    multiple = Fraction(1)
    tokens = cursor.tokens
    unit, sign, raised = units.NONE, 1, 0
    main = last = units.NONE
    if tokens[cursor.index] == "/":
        cursor.index += 1
        sign = -1
    while True:
        token = tokens[cursor.index]
        cursor.index += 1
        if token.startswith(r"\text{"):
            names = token[6:].replace("^-", "^−")
            names = names.replace("/", " / ").replace("^", " ^ ")
            words = names.replace("-", " ").replace(".", " ").split()
        else:
            words = [token]
        exponent = raised
        waiting = False
        for word in words:
            lower = word.lower()
            if lower in ("square", "sq"):
                exponent = 2
            elif lower in ("cubic", "cu"):
                exponent = 3
            elif lower in ("squared", "cubed") or waiting:
                if lower not in _POWERS or last is units.NONE:
                    cursor.refuse()
                unit = units.times(unit, last, sign * (_POWERS[lower] - 1))
                waiting = False
            elif lower in units.CHANGING:
                cursor.refuse()
            elif word == "^":
                waiting = True
            elif lower in ("per", "/"):
                sign = -1
            elif lower == "of" and unit.powers == (("%", 1),):
                break  # it says of what
            elif lower in ("of", "a", "an", "the", "each", r"\cdot", "*"):
                continue
            else:
                last = units.single(word)
                if not last.powers and sign == 1:
                    multiple *= last.size
                    continue
                if unit is units.NONE:
                    main = last
                unit = units.times(unit, last, sign * (exponent or 1))
                exponent = 0
        raised = exponent
        if tokens[cursor.index] == "^":
            power = _small_exponent(cursor)
            unit = units.times(unit, last, sign * (power - 1))
        following = tokens[cursor.index]
        if following in ("/", r"\cdot", "*", "-", "per"):
            cursor.index += 1
            sign = -1 if following in ("/", "per") else 1
            if not (
                unit_follows(cursor)
                or tokens[cursor.index] in units.LETTERS
                or tokens[cursor.index] == "in"
            ):
                cursor.refuse()
        elif following in units.LETTERS and unit.powers:
            continue  # the m of kg m
        elif not unit_follows(cursor):
            return units.rate(main, unit), multiple


def _small_exponent(cursor: Cursor) -> int:
    tokens = cursor.tokens
    cursor.index += 1
    if tokens[cursor.index] == "{":
        digits = tokens[cursor.index + 1]
        cursor.index += 2
        negative = digits == "-"
        if negative:
            digits = tokens[cursor.index]
            cursor.index += 1
        if tokens[cursor.index] != "}":
            cursor.refuse()
    else:
        digits, negative = tokens[cursor.index], False
    cursor.index += 1
    if digits not in ("1", "2", "3"):
        cursor.refuse()
    return -int(digits) if negative else int(digits)
