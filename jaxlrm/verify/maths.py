"""Exact equivalence of mathematical answers, in bounded time.

Tiers, cheapest first: normal form of the text; containers (lists, tuples,
sets, intervals); scalars, which are quantities with units and equations, read
and compared exactly by `jaxlrm.verify.exact`. No step takes more than its
budget: what is too large is UNKNOWN.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from jaxlrm.verify.exact import (
    DIGITS,
    LENGTH,
    ONE,
    UNICODE,
    Line,
    NotParsed,
    Ratio,
    Value,
    difference,
    equal,
    is_linear,
    lowest,
    names_of,
    parse,
    proportional,
    ungroup,
)
from jaxlrm.verify.verdict import Verdict, combine

# Budgets, beside those of `exact`.
ITEMS = 32  # of a list and its lists
NESTING = 4  # of containers


def is_equivalent(prediction: str, gold: str) -> bool:
    """Is `prediction` the same answer as `gold`?

    Not symmetric: `28%` answers a gold `28` and `1/3` answers a gold `0.333`,
    not the other way round.

    Returns:
        True only where equality was shown; see `compare`.
    """
    return compare(prediction, gold) is Verdict.VALID


def compare(prediction: str, gold: str) -> Verdict:
    """The verdict on `prediction` as an answer whose right value is `gold`.

    The policies: a bare comma list and a set are unordered, a bracketed tuple
    is ordered, and bracket shapes matter (intervals). Numbers are compared
    exactly, but a gold with two or more decimals also accepts an exact value
    that rounds to it. A unit or `%` in the prediction alone is ignored; one in
    the gold alone is missed. `x = 5` is 5 but not `y = 5`; equations are equal
    up to a nonzero factor, but an unsolved one does not answer a solved one.

    Returns:
        VALID or INVALID where shown, else UNKNOWN. Never raises on any text.
    """
    if len(prediction) > LENGTH or len(gold) > LENGTH:
        return Verdict.UNKNOWN
    prediction, gold = normal_form(prediction), normal_form(gold)
    if not gold:
        return Verdict.UNKNOWN
    if not prediction:
        return Verdict.INVALID
    return _compare(prediction, gold, NESTING)


# --- Text -------------------------------------------------------------------

_LAYOUT = re.compile(
    r"\\(?:[!,;:]|(?:left|right|displaystyle|quad|qquad)(?![A-Za-z]))"
)
_DEGREE_SIGN = re.compile(r"\^\s?(?:\\circ|\{\s?\\circ\s?\})")
_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mbox)\s?\{([^{}]*)\}")
_WRAPPERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))


def normal_form(text: str) -> str:
    """`text` without math delimiters, layout commands and a final stop."""
    if not text.isascii():
        text = text.translate(UNICODE)
    text = " ".join(text.split())
    if "\\" in text:
        text = _LAYOUT.sub("", text)
        text = text.replace(r"\ ", " ").replace(r"\%", "%")
        text = text.replace(r"\dfrac", r"\frac").replace(r"\tfrac", r"\frac")
        text = _DEGREE_SIGN.sub("°", text)
    text = text.strip().removesuffix(".").rstrip()
    for start, end in _WRAPPERS:
        inner = text[len(start) : -len(end)]
        if (
            text.startswith(start)
            and text.endswith(end)
            and not text.endswith("\\" + end)
            and start not in inner
        ):
            text = inner.strip()
    if text.startswith(r"\boxed{") and _closes_at_end(text, 6):
        text = text[7:-1].strip()
    whole = _TEXT.fullmatch(text)
    return whole.group(1).strip() if whole else text


def _squeeze(text: str) -> str:
    """What is compared as text: no spaces; words without case."""
    text = _TEXT.sub(r"\1", text)
    text = "".join(text.split())
    return text.lower() if len(text) > 1 and text.isalpha() else text


def _closes_at_end(text: str, start: int) -> bool:
    """Is the bracket at `start` closed by the last character?"""
    depth = 0
    for index in range(start, len(text)):
        if text[index] in "([{":
            depth += 1
        elif text[index] in ")]}":
            depth -= 1
            if depth <= 0:
                return depth == 0 and index == len(text) - 1
    return False


# --- Containers -------------------------------------------------------------

_CONJUNCTION = re.compile(r",? (?:or|and) |,? ?\\text\s?\{ ?(?:or|and) ?\} ?")


class _Container(NamedTuple):
    kind: str  # the brackets of an ordered tuple or interval; "" unordered
    items: list[str]


def _compare(prediction: str, gold: str, nesting: int) -> Verdict:
    if _squeeze(prediction) == _squeeze(gold):
        return Verdict.VALID
    verdicts = {
        _compare_reading(one, other, nesting)
        for one in _readings(prediction)
        for other in _readings(gold)
    }
    if Verdict.VALID in verdicts:
        return Verdict.VALID
    return verdicts.pop() if len(verdicts) == 1 else Verdict.UNKNOWN


def _readings(text: str) -> set[str]:
    """`1,234` is a number or a list of two."""
    return {text, ungroup(text)} if "," in text else {text}


def _compare_reading(prediction: str, gold: str, nesting: int) -> Verdict:
    answer, right = _container(prediction), _container(gold)
    if answer is None and right is None:
        try:
            return _compare_scalars(prediction, gold)
        except (NotParsed, ZeroDivisionError):
            return Verdict.UNKNOWN
    # At every depth together: lists of lists are compared item by item.
    if nesting == 0 or max(map(_separators, (prediction, gold))) >= ITEMS:
        return Verdict.UNKNOWN
    answer = answer or _Container("", [prediction])
    right = right or _Container("", [gold])
    if len(answer.items) != len(right.items):
        items = answer.items + right.items
        readable = all(_readable(item, nesting) for item in items)
        return Verdict.INVALID if readable else Verdict.UNKNOWN
    if not answer.kind and not right.kind:
        return _match(answer.items, right.items, nesting - 1)
    verdict = combine(
        _compare(one, other, nesting - 1)
        for one, other in zip(answer.items, right.items, strict=True)
    )
    if answer.kind == right.kind or verdict is not Verdict.VALID:
        return verdict
    # (1, 2) is not [1, 2]; whether 1, 2 was meant as (1, 2) is not known.
    both = answer.kind and right.kind
    return Verdict.INVALID if both else Verdict.UNKNOWN


def _separators(text: str) -> int:
    return sum(map(text.count, (",", ";", " or ", " and ", "text")))


def _container(text: str) -> _Container | None:
    """Splits `(1, 2)`, `[1, 2)`, `\\{1, 2\\}` and `1, 2 or 3`."""
    if text.startswith(r"\{") and text.endswith(r"\}"):
        if _closes_at_end(text, 1):
            return _Container("", _split(text[2:-2]))
    elif text[0] in "([{" and _closes_at_end(text, 0):
        items = _split(text[1:-1])
        if len(items) > 1:
            kind = "" if text[0] == "{" else text[0] + text[-1]
            return _Container(kind, items)
    items = _split(_CONJUNCTION.sub(",", text))
    return _Container("", items) if len(items) > 1 else None


def _split(text: str) -> list[str]:
    """The parts of `text` between commas outside brackets."""
    items, depth, start = [], 0, 0
    for index, character in enumerate(text):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character in ",;" and depth == 0:
            items.append(text[start:index].strip())
            start = index + 1
    items.append(text[start:].strip())
    return [item for item in items if item]


def _readable(text: str, nesting: int) -> bool:
    """Is `text` an answer that could be compared with another?"""
    container = _container(text) if text else None
    if container is not None:
        return nesting > 0 and all(
            _readable(item, nesting - 1) for item in container.items
        )
    try:
        parse(_quantity(_solved(text)[1])[0])
    except (NotParsed, ZeroDivisionError):
        return False
    return True


def _match(answers: list[str], golds: list[str], nesting: int) -> Verdict:
    """Compares as multisets; greedy, since equality is transitive."""
    left = list(answers)
    verdicts = []
    for gold in golds:
        tried = []
        for answer in left:
            tried.append(_compare(answer, gold, nesting))
            if tried[-1] is Verdict.VALID:
                left.remove(answer)
                break
        if Verdict.VALID in tried:
            verdicts.append(Verdict.VALID)
        elif Verdict.UNKNOWN in tried:
            verdicts.append(Verdict.UNKNOWN)
        else:
            verdicts.append(Verdict.INVALID)
    return combine(verdicts)


# --- Scalars ----------------------------------------------------------------

_NAME = re.compile(
    r"[A-Za-z]{1,3}(?:_(?:[A-Za-z0-9]|\{[A-Za-z0-9]+\}))?(?:\([A-Za-z]\))?"
)
_COMMAND = re.compile(r"\\[A-Za-z]+")
_LETTER = re.compile(r"[A-Za-z]")
_DECIMAL = re.compile(r"[-+]?[0-9]*\.([0-9]+)")
_SCIENTIFIC = re.compile(
    r"([-+]?[0-9]+(?:\.[0-9]+)?)[eE]([-+]?[0-9]{1,3})"  # as Python prints it
)
_POWER = re.compile(r"\^(?:([23])|\{([23])\})$")
_UNITS = frozenset(
    """mm cm dm km ft yd mi mg kg lb lbs oz ml mL hr hrs min sec ms mph kph psi
    Hz kHz Pa kPa kJ kW""".split()
)
_IMAGINARY = "i"


def _compare_scalars(prediction: str, gold: str) -> Verdict:
    """One value or equation against another; NotParsed if unreadable."""
    name, value = _solved(prediction)
    gold_name, gold_value = _solved(gold)
    if name == gold_name or not (name and gold_name):
        bare = (name or "=" not in prediction) and (
            gold_name or "=" not in gold
        )
        if bare:
            return _compare_quantities(value, gold_value)
    answer, right = parse(prediction), parse(gold)
    if len(answer.sides) > 2 or not answer.names:
        return Verdict.UNKNOWN  # x = 10/2 = 5 or 3 + 4 = 7 may state a value
    if gold_name and not name and not _has_letters(gold_value):
        return Verdict.INVALID  # the equation is not solved yet
    if len(answer.sides) == len(right.sides) == 2:
        return _compare_equations(answer, right)
    return Verdict.INVALID if len(right.sides) <= 2 else Verdict.UNKNOWN


def _solved(text: str) -> tuple[str, str]:
    """`("x", "5")` for `x = 5` or `5 = x`; `("", text)` for others."""
    left, equals, right = (part.strip() for part in text.partition("="))
    if equals and right and "=" not in right:
        for name, value in ((left, right), (right, left)):
            if _NAME.fullmatch(name) and name not in _COMMAND.sub("", value):
                return name, value
    return "", text


def _has_letters(text: str) -> bool:
    return _LETTER.search(_COMMAND.sub("", text)) is not None


def _quantity(text: str) -> tuple[str, str]:
    """`("5", "cm")` for `5 cm`, `5\\text{ cm}`; `("5", "$")` for `$5`."""
    for sign in (r"\$", "$"):
        if text.startswith(sign):
            return text[len(sign) :].strip(), "$"
    for sign in ("%", "°"):
        if text.endswith(sign):
            return text[:-1].rstrip(), sign
    head, power = text, ""
    match = _POWER.search(text[-4:])
    if match:
        head = text[: len(text) - len(match.group())].rstrip()
        power = "^" + (match.group(1) or match.group(2))
    if head.endswith("}"):
        start = head.rfind("\\")
        quoted = _TEXT.fullmatch(head[start:]) if start > 0 else None
        if quoted:
            unit = _unit(quoted.group(1).strip(), power)
            return head[:start].rstrip(), unit
    number = head.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    word = head[len(number) :]
    if (len(word) > 3 or word in _UNITS) and number[-1:] not in ("", "\\"):
        return number.rstrip(), _unit(word, power)
    return text, ""


def _unit(word: str, power: str) -> str:
    return "°" if word == "degrees" else word.lower() + power


def _compare_quantities(prediction: str, gold: str) -> Verdict:
    text, unit = _quantity(prediction)
    gold_text, gold_unit = _quantity(gold)
    if gold_unit == "%":
        percent, gold_percent = (
            f"({part})/100" if sign == "%" else part
            for part, sign in ((text, unit), (gold_text, gold_unit))
        )
        return _compare_values(percent, gold_percent)
    verdict = _compare_values(text, gold_text)
    if unit == "%" and not gold_unit and verdict is Verdict.INVALID:
        return _compare_values(f"({text})/100", gold_text)
    if unit == gold_unit:
        return verdict
    if gold_unit and (unit or verdict is Verdict.VALID):
        return Verdict.UNKNOWN  # missing, or another name for it
    if verdict is Verdict.INVALID and _has_letters(text + gold_text):
        return Verdict.UNKNOWN  # the m of 5 m may be metres
    return verdict


def _compare_values(prediction: str, gold: str) -> Verdict:
    right = _expression(gold)
    if right is None:
        return Verdict.UNKNOWN
    answer = _expression(prediction)
    if answer is None:
        return Verdict.INVALID
    if equal(answer, right):
        return Verdict.VALID
    decimal = _DECIMAL.fullmatch("".join(gold.split()))
    if decimal and len(decimal.group(1)) > 1 and not isinstance(answer, Ratio):
        half = Fraction(1, 2 * 10 ** len(decimal.group(1)))
        if abs(answer - right) <= half:
            # More decimals than the gold has may be right or a mistake.
            return Verdict.UNKNOWN if "." in prediction else Verdict.VALID
    if _may_be_imaginary(answer) or _may_be_imaginary(right):
        return Verdict.UNKNOWN
    return Verdict.INVALID


def _expression(text: str) -> Value | None:
    """The value of a text without `=`; None where it divides by zero."""
    scientific = _SCIENTIFIC.fullmatch(text)
    if scientific and len(text) <= DIGITS:
        digits, exponent = scientific.groups()
        return lowest(Fraction(digits) * Fraction(10) ** int(exponent))
    try:
        line = parse(text)
    except ZeroDivisionError:
        return None
    if len(line.sides) > 1:
        raise NotParsed(f"an equation, not an expression: {text[:80]!r}")
    return line.sides[0]


def _may_be_imaginary(value: Value) -> bool:
    """Could `i*i = -1` make this equal to another form?"""
    if not isinstance(value, Ratio):
        return False
    if value.bottom != ONE:
        return _IMAGINARY in names_of(value)
    return any(
        name == _IMAGINARY and exponent > 1
        for monomial in value.top
        for name, exponent in monomial
    )


def _compare_equations(answer: Line, right: Line) -> Verdict:
    one, other = difference(answer), difference(right)
    if not isinstance(one, Ratio) or not isinstance(other, Ratio):
        return Verdict.UNKNOWN
    if one.bottom == other.bottom and proportional(one.top, other.top):
        return Verdict.VALID
    if is_linear(one) and is_linear(other):
        return Verdict.INVALID
    return Verdict.UNKNOWN
