"""Values of sums at random places, modulo a prime."""

from __future__ import annotations

import functools
import random
import string

from jaxlrm.families.rules.sums import MONOMIAL, Sum

_PRIME = (1 << 521) - 1  # above a product of eight numbers that are read


def agree(one: Sum, other: Sum, seed: int | str) -> bool:
    """Have two expressions the same value at a random place, modulo a prime?

    By the lemma of Schwartz and Zippel unequal ones of degree d pass with a
    probability of at most d / 2**521.
    """
    points = _points(seed)
    return _value(one, points) == _value(other, points)


@functools.lru_cache(maxsize=64)
def _points(seed: int | str) -> dict[str, int]:
    rng = random.Random(seed)
    return {name: rng.randrange(_PRIME) for name in string.ascii_lowercase}


def _value(terms: Sum, points: dict[str, int]) -> int:
    total = 0
    for term in terms:
        if term[0] == MONOMIAL:
            value, powers, sums = term[1], term[2], ()
        else:
            _, integers, powers, sums = term
            value = 1
            for number in integers:
                value = value * number % _PRIME
        for name, exponent in powers:
            value = value * pow(points[name], exponent, _PRIME) % _PRIME
        for inner in sums:
            value = value * _value(inner, points) % _PRIME
        total += value
    return total % _PRIME
