"""The value of sums and products with dots: `1 + 2 + ... + 10`."""

from __future__ import annotations

import itertools
from fractions import Fraction

from jaxlrm.verify.steps.values import value_of


def closed_series(pieces: tuple[str, ...]) -> str | None:
    """The value of `1 + 2 + ... + 10` as a text.

    None where the form is not evident: fewer than two terms before the dots,
    or `1 + 2 + ... + 64`, which may double.
    """
    place = pieces.index("...")
    if pieces.count("...") > 1 or place < 2 or place + 2 >= len(pieces):
        return None
    operator = pieces[place - 1]
    if operator not in "+*" or pieces[place + 1] != operator:
        return None
    terms = " ".join(pieces[: place - 1]).split(f" {operator} ")
    rest = " ".join(pieces[place + 2 :]).split(f" {operator} ")
    values = [value_of(term) for term in (*terms, *rest)]
    if None in values or len(terms) < 2:
        return None
    numbers = [value.number for value in values]
    head, last = numbers[: len(terms)], numbers[-1]
    step = head[1] - head[0]
    differences = {b - a for a, b in itertools.pairwise(head)}
    ends = {b - a for a, b in itertools.pairwise(numbers[len(terms) :])}
    if len(differences | ends) > 1 or not step:
        return _geometric(head, last, operator)
    count = (last - head[0]) / step + 1
    if count.denominator != 1 or not len(head) < count <= 10**6:
        return _geometric(head, last, operator)
    if operator == "+":
        if len(head) == 2 and head[0] and _is_power(head, last):
            return None  # 1 + 2 + ... + 64: which is it?
        total = (head[0] + last) * count / 2
        return f"({total.numerator}/{total.denominator})"
    if step == 1 and head[0] == 1 and last <= 100:
        return f"({int(last)}!)"
    return None


def _is_power(head: list[Fraction], last: Fraction) -> bool:
    ratio = head[1] / head[0]
    term = head[1]
    for _ in range(64):
        if abs(term) >= abs(last) or abs(ratio) <= 1:
            break
        term *= ratio
    return term == last and len(head) == 2


def _geometric(
    head: list[Fraction], last: Fraction, operator: str
) -> str | None:
    if operator != "+" or len(head) < 3 or not head[0]:
        return None
    ratio = head[1] / head[0]
    if any(b != a * ratio for a, b in itertools.pairwise(head)):
        return None
    if abs(ratio) == 1 or not ratio:
        return None
    term, total = head[0], head[0]
    for _ in range(64):
        if term == last:
            return f"({total.numerator}/{total.denominator})"
        term *= ratio
        total += term
    return None
