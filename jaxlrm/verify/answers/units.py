"""Units of measurement: their spellings and sizes."""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import NamedTuple


class Unit(NamedTuple):
    """A product of powers of units.

    Attributes:
        powers: ((dimension, exponent), ...), sorted; a unit that is not known
            is its own dimension.
        size: of one such unit, in the base units of its dimensions.
        main: the size of the dollar in dollars per hour, where it is a rate.
    """

    powers: tuple[tuple[str, int], ...]
    size: Fraction
    main: Fraction | None = None


# name of the dimension: (size, spellings), ...
_TABLE: dict[str, tuple[tuple[str, str], ...]] = {
    "length": (
        ("1", "m meter meters metre metres"),
        ("1/100", "cm centimeter centimeters centimetre centimetres"),
        ("1/1000", "mm millimeter millimeters millimetre millimetres"),
        ("1/1000000", "microm micrometer micrometers microns"),
        ("1/10", "dm decimeter decimeters"),
        ("1000", "km kilometer kilometers kilometre kilometres kms"),
        ("0.0254", "in inch inches"),
        ("0.3048", "ft foot feet"),
        ("0.9144", "yd yard yards yds"),
        ("1609.344", "mi mile miles"),
    ),
    "time": (
        ("1", "s sec secs second seconds"),
        ("60", "min mins minute minutes"),
        ("3600", "h hr hrs hour hours"),
        ("86400", "day days"),
        ("604800", "week weeks wk wks"),
        ("1/1000", "ms millisecond milliseconds"),
        ("1/1000000", "micros microsecond microseconds"),
    ),
    "month": (("1", "month months"), ("12", "year years yr yrs")),
    "mass": (
        ("1", "g gram grams gm"),
        ("1000", "kg kilogram kilograms kgs"),
        ("1/1000", "mg milligram milligrams"),
        ("1/1000000", "microg microgram micrograms"),
        ("453.59237", "lb lbs pound pounds"),
        ("28.349523125", "oz ounce ounces"),
        ("1000000", "ton tons tonne tonnes"),
    ),
    "volume": (
        ("1", "l L liter liters litre litres"),
        ("1/1000", "ml mL milliliter milliliters millilitre millilitres"),
        ("3.785411784", "gal gallon gallons"),
        ("0.946352946", "qt quart quarts"),
        ("0.473176473", "pint pints"),
    ),
    "area": (
        ("4046.8564224", "acre acres"),
        ("10000", "hectare hectares"),
    ),
    "currency": (
        ("1", "¤ dollar dollars usd USD bucks"),
        ("1/100", "¢ cent cents"),
    ),
    "£": (("1", "£ gbp GBP"),),
    "€": (("1", "€ euro euros eur EUR"),),
    "¥": (("1", "¥ yen JPY"),),
    "₹": (("1", "₹ rupee rupees INR"),),
    "temperature": (("1", "K kelvin kelvins"),),
    "celsius": (("1", "celsius"),),
    "fahrenheit": (("1", "fahrenheit"),),
    "charge": (("1", "C coulomb coulombs"),),
    "force": (("1", "N newton newtons"),),
    "energy": (
        ("1", "J joule joules"),
        ("1000", "kJ kilojoules"),
        ("3600000", "kWh"),
    ),
    "power": (("1", "W watt watts"), ("1000", "kW kilowatt kilowatts")),
    "pressure": (("1", "Pa pascal pascals"), ("1000", "kPa")),
    "frequency": (("1", "Hz hertz"), ("1000", "kHz")),
    "current": (("1", "A amp amps ampere amperes"),),
    "voltage": (("1", "V volt volts"),),
    "resistance": (("1", "ohm ohms"),),
    "amount": (("1", "mol mole moles"),),
    "angle": (("1", "° deg degree degrees"),),
    "radian": (("1", "rad rads radian radians"),),
    "%": (("1", "% percent percents percentage percentages pct"),),
    "count": (("1", "unit units"),),
    "cup": (("1", "cup cups"),),
}
# name of the dimension: its size in others, and their powers.
_DERIVED: dict[str, tuple[str, dict[str, int]]] = {
    "volume": ("1/1000", {"length": 3}),
    "area": ("1", {"length": 2}),
    "frequency": ("1", {"time": -1}),
    "force": ("1000", {"mass": 1, "length": 1, "time": -2}),
    "energy": ("1000", {"mass": 1, "length": 2, "time": -2}),
    "power": ("1000", {"mass": 1, "length": 2, "time": -3}),
    "pressure": ("1000", {"mass": 1, "length": -1, "time": -2}),
    "charge": ("1", {"current": 1, "time": 1}),
    "voltage": ("1000", {"mass": 1, "length": 2, "time": -3, "current": -1}),
    "resistance": (
        "1000",
        {"mass": 1, "length": 2, "time": -3, "current": -2},
    ),
}
# Words that multiply and measure nothing.
_MULTIPLES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_MULTIPLES |= {name + "s": size for name, size in _MULTIPLES.items()}
# Words that say of a number that another one is meant.
CHANGING = frozenset(
    """factorial modulo mod plus minus doubled tripled halved repeating
    recurring or least most zero half halves thirds fourths fifths sixths
    sevenths eighths ninths tenths hundredths thousandths
    is isn't are aren't was wasn't were be been not no nor never neither wrong
    incorrect false but except unless if maybe perhaps instead than without
    excluding rejected impossible remainder tens cannot can't does doesn't do
    don't did didn't has have would could should will must may might fails fail
    failed works work extraneous invalid undefined unknown unclear doubtful
    discarded contradiction absurd nonsense mistake error guess approximately
    hardly almost barely two three four five six seven eight nine ten double
    twice triple thrice""".split()
)
_COMPOUND = {
    "mph": (("mi", 1), ("h", -1)),
    "kph": (("km", 1), ("h", -1)),
    "sqft": (("ft", 2),),
    "cc": (("cm", 3),),
}


def _of(dimension: str, size: str) -> Unit:
    factor, powers = _DERIVED.get(dimension, ("1", {dimension: 1}))
    return Unit(
        tuple(sorted(powers.items())), Fraction(size) * Fraction(factor)
    )


_SPELLINGS = {
    spelling: _of(dimension, size)
    for dimension, rows in _TABLE.items()
    for size, spellings in rows
    for spelling in spellings.split()
} | {name: Unit((), Fraction(size)) for name, size in _MULTIPLES.items()}
# Words that stand for a unit without \text around them.
PLAIN = (
    frozenset(name for name in _SPELLINGS if len(name) > 1)
    | _COMPOUND.keys()
    # Things counted, too short to be told from products of variables.
    | frozenset("men boy egg way pen cow bus car dog cat hat toy pie".split())
) - {"in"}
# Symbols of one letter are units in \text, and where the other answer says so.
LETTERS = frozenset(name for name in _SPELLINGS if len(name) == 1)
NONE = Unit((), Fraction(1))
# Before an amount.
CURRENCIES = frozenset("¤£€¥₹")
# Behind a sign of degrees.
SCALES = {"C": _SPELLINGS["celsius"], "F": _SPELLINGS["fahrenheit"]}


def single(name: str) -> Unit:
    """The unit with a name; a word that is not known is a thing counted."""
    known = _SPELLINGS.get(name) or _SPELLINGS.get(name.lower())
    if known:
        return known
    if name in _COMPOUND:
        unit = NONE
        for part, exponent in _COMPOUND[name]:
            unit = times(unit, _SPELLINGS[part], exponent)
        return unit
    word = name.lower()
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    return Unit((("?" + word, 1),), Fraction(1))


def essential(unit: Unit) -> Unit:
    """`%` of `% per year`, dollars of dollars per hour; others whole."""
    if unit.main is None:
        return unit
    dimension = next(name for name, power in unit.powers if power == 1)
    return Unit(((dimension, 1),), unit.main)


def rate(main: Unit, unit: Unit) -> Unit:
    """`unit`, known as a rate where `main` of it is money or a percentage."""
    if len(main.powers) != 1:
        return unit
    ((dimension, power),) = main.powers
    if power != 1 or not (dimension == "%" or is_money(dimension)):
        return unit
    if len(unit.powers) < 2 or main.powers[0] not in unit.powers:
        return unit
    others = (power for name, power in unit.powers if name != dimension)
    return unit._replace(main=main.size) if max(others) < 0 else unit


def is_money(dimension: str) -> bool:
    """Is it the name of a currency?"""
    return dimension == "currency" or dimension in CURRENCIES


def without_degrees(unit: Unit) -> Unit:
    """Celsius for degrees Celsius."""
    powers = dict(unit.powers)
    for scale in SCALES.values():
        if powers == {"angle": 1} | dict(scale.powers):
            return scale
    return unit


def same_kind(one: Unit, other: Unit) -> bool:
    """Do they measure the same? Degrees may be those of any temperature."""
    if one.powers == other.powers:
        return True
    degrees = (("angle", 1),)
    scales = [scale.powers for scale in SCALES.values()]
    return (one.powers == degrees and other.powers in scales) or (
        other.powers == degrees and one.powers in scales
    )


def is_known(name: str) -> bool:
    """Is it a unit of measurement in the table?"""
    return name in _SPELLINGS or name.lower() in _SPELLINGS or name in _COMPOUND


def times(one: Unit, other: Unit, exponent: int = 1) -> Unit:
    """`one * other**exponent`."""
    powers = dict(one.powers)
    for dimension, power in other.powers:
        powers[dimension] = powers.get(dimension, 0) + power * exponent
    kept = tuple(sorted((d, p) for d, p in powers.items() if p))
    return Unit(kept, one.size * other.size**exponent)


@functools.cache
def known() -> tuple[Unit, ...]:
    """All units of the table."""
    return tuple(set(_SPELLINGS.values()))


def is_counted(unit: Unit) -> bool:
    """Does it name a thing counted, such as apples?"""
    return any(dimension[0] == "?" for dimension, _ in unit.powers)
