"""Factors by which two sides of a claim may differ for their units."""

from __future__ import annotations

import functools
from fractions import Fraction

from jaxlrm.verify.answers import units
from jaxlrm.verify.steps.sides import Side

_CALENDAR = {
    "month": (4, 30, 12),
    "year": (12, 52, 365),
    "week": (7, 52, 4),
    "day": (24, 7, 365, 30),
    "hour": (60, 24),
    "decade": (10,),
    "century": (100,),
    "centurie": (100,),
    "dozen": (12,),
    "cent": (100,),
    "penny": (100,),
    "pennie": (100,),
    "dollar": (100,),
    "dime": (10,),
    "quarter": (4, 25),
    "nickel": (5, 20),
    "$": (100,),
    "thousand": (1000,),
    "million": (10**6, 1000),
    "billion": (10**9, 1000),
    "pair": (2,),
}


@functools.lru_cache(maxsize=1024)
def _measures(word: str) -> units.Unit | None:
    if len(word) < 2 or not units.is_known(word):
        for plural in (word + "s", word + "es", word[:-1]):
            if len(plural) > 1 and units.is_known(plural):
                return units.single(plural)
        return None
    return units.single(word)


def conversions(left: Side, right: Side) -> frozenset[Fraction]:
    """Factors between units of what the sides measure.

    Where both sides measure in the same unit there is nothing to convert.
    """
    if left.units & right.units and not left.units ^ right.units:
        return frozenset()
    found = set()
    for word in left.units ^ right.units:
        found.update(map(Fraction, _CALENDAR.get(word, ())))
        unit = _measures(word)
        if unit is not None and unit.powers:
            found.update(_scales(unit))
    return frozenset(found)


@functools.lru_cache(maxsize=256)
def _scales(unit: units.Unit) -> frozenset[Fraction]:
    """Whole factors between it and units of its kind."""
    ratios = {
        other.size / unit.size
        for other in units.known()
        if other.powers == unit.powers and other.size != unit.size
    }
    whole = {ratio for ratio in ratios if 1 in ratio.as_integer_ratio()}
    return frozenset(whole | {Fraction(1000)})


def mixes(words: frozenset[str]) -> bool:
    """Are there two units of one kind, as in 4 pounds - 6 ounces?"""
    if "$" in words and "cent" in words:
        return True
    found: dict[tuple, Fraction] = {}
    for word in words:
        unit = _measures(word)
        if unit is None or not unit.powers:
            continue
        powers = unit.powers
        if powers == (("month", 1),):
            powers = (("time", 1),)
        if found.setdefault(powers, unit.size) != unit.size:
            return True
    return False


def is_rate(side: Side) -> bool:
    """`1 hour/60 miles/hour`: what is divided by what?"""
    return "/" in side.units and "/" in side.pieces
