"""Products of two coefficients, worked out beside a chain.

A block such as `38*78 = 2660 + 38*8`, `= 2660 + 304`, `= 2964`: each line
leaves less to do.
"""

from __future__ import annotations

from jaxlrm.families.rules.rewriting import products
from jaxlrm.families.rules.sums import MONOMIAL, Sum


def left_to_do(terms: Sum) -> int | None:
    """Products of digits, twice, and sums to do in a sum of products.

    None for any other expression. Digits that are zero do not count.
    """
    work = len(terms) - 1
    for kind, *parts in terms:
        if kind == MONOMIAL:
            number, powers = parts
            if powers or number <= 0:
                return None
        else:
            integers, powers, sums = parts
            if powers or sums or len(integers) != 2 or min(integers) <= 0:
                return None
            one, other = (len(str(n).replace("0", "")) for n in integers)
            work += 2 * one * other
    return work


def digits(number: int) -> int:
    """Significant digits: two for 380."""
    return len(str(abs(number)).rstrip("0"))


def is_needed(tree: Sum, pair: tuple[int, int]) -> bool:
    """Has some product these coefficients, up to signs, in two factors?"""
    for _, integers, _, sums in products(tree):
        factors = [{abs(number)} for number in integers]
        factors += [
            {abs(term[1]) for term in terms if term[0] == MONOMIAL}
            for terms in sums
        ]
        having = [
            [
                place
                for place, numbers in enumerate(factors)
                if number in numbers
            ]
            for number in pair
        ]
        if having[0] and having[1] and len({*having[0], *having[1]}) > 1:
            return True
    return False
