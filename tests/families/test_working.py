"""Working on paper: every line is right, and the last one is the value."""

from __future__ import annotations

import math
import random
import re
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jaxlrm.families import working
from jaxlrm.families.rules import arithmetic as rule
from jaxlrm.verify.answers.lines import parse
from jaxlrm.verify.verdict import Verdict

POSITIVE = st.integers(1, 10**8)
TREES = st.recursive(
    st.integers(-3000, 3000),
    lambda below: st.tuples(st.sampled_from("+-*/"), below, below),
    max_leaves=6,
)


def number(line: str) -> Fraction:
    (side,) = parse(line.removeprefix("=")).sides
    return Fraction(side)


def judge(statement: str, lines) -> None:
    for end in range(1, len(lines) + 1):
        verdict = rule.check(statement, lines[:end])
        assert verdict is Verdict.VALID, (statement, lines[:end])


# --- Other ways -------------------------------------------------------------


def test_a_product_aside_and_a_digit_too_low(monkeypatch):
    monkeypatch.setattr(working, "_ASIDE", 1.0)
    monkeypatch.setattr(working, "_LOW", 1.0)
    rng = random.Random(0)
    assert working.product(646, 7, rng) == [
        "646*7 = 4200 + 7*46",
        "= 4200 + 280 + 7*6",
        "= 4480 + 7*6",
        "= 4480 + 42",
        "= 4522",
    ]
    assert working.guess(775, rng) == 600
    assert working.guess(175, rng) == 100  # nothing is left below it


# --- Golden chains ----------------------------------------------------------


def test_a_product():
    assert working.product(775, 986) == [
        "775*986 = 690200 + 986*75",
        "= 690200 + 69020 + 986*5",
        "= 759220 + 986*5",
        "= 759220 + 4930",
        "= 764150",
    ]
    assert working.product(775, 900) == []  # done in the head
    assert working.product(7, 98765) == []


def test_a_division():
    assert working.division(11920, 149) == ["11920/149 = 80"]
    assert working.division(11920, 1341) == [
        "11920/1341 = 8 + (11920 - 10728)/1341",
        "= 8 + 1192/1341",
    ]
    assert working.division(9876, 12) == [
        "9876/12 = 800 + (9876 - 9600)/12",
        "= 800 + 276/12",
        "= 820 + (276 - 240)/12",
        "= 820 + 36/12",
        "= 820 + 3",
        "= 823",
    ]
    assert working.division(5, 7) == []


def test_euclid():
    assert working.euclid(8, 186) == [
        "gcd(8, 186 - 160)",
        "gcd(8, 26)",
        "gcd(8, 2)",
        "gcd(0, 2)",
    ]
    assert working.euclid(9, 9) == ["gcd(0, 9)"]
    assert working.euclid(1, 9) == []
    assert working.euclid(5, 7) == ["gcd(5, 2)", "gcd(1, 2)"]


def test_a_quotient():
    assert working.quotient(1192, 1341) == [
        "gcd(1192, 1341 - 1192)",
        "gcd(1192, 149)",
        "gcd(1192 - 1192, 149)",
        "gcd(0, 149)",
        "1192/149 = 8",
        "1341/149 = 9",
    ]
    assert working.division(7212, 3) == ["7212/3 = 2404"]
    assert working.division(25460, 2) == ["25460/2 = 12730"]
    assert working.division(25460, 5) == [
        "25460/5 = 5000 + (25460 - 25000)/5",
        "= 5000 + 460/5",
        "= 5090 + (460 - 450)/5",
        "= 5090 + 10/5",
        "= 5090 + 2",
        "= 5092",
    ]
    assert working.quotient(115, 20) == [
        "115/20 = 5 + (115 - 100)/20",
        "= 5 + 15/20",
        "= 5 + 3/4",
        "= 23/4",
    ]


@pytest.mark.parametrize(
    ("node", "lines"),
    [
        (7, []),
        (Fraction(1, 2), ["1/2"]),
        (("+", 3, -4), ["-1"]),
        (("/", 3, 4), ["3/4"]),
        (("/", -6, 8), ["-3/4"]),
        (("*", ("+", 3, 4), 25), ["7*25", "175"]),
        (
            ("*", 2, ("-", ("/", 1, 2), ("/", 1, 3))),
            [
                "2*((3 - 2)/(2*3))",
                "2*(1/(2*3))",
                "2*(1/6)",
                "2*1/6",
                "2/6",
                "1/3",
            ],
        ),
        (
            ("+", 5, ("*", 23, 12)),
            ["23*12 = 230 + 23*2", "= 230 + 46", "= 276", "5 + 276", "281"],
        ),
    ],
)
def test_chains(node, lines):
    assert working.chain(node) == lines


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (("*", 2, ("+", 3, -4)), "2*(3 + -4)"),
        (("-", 1, ("-", 2, 3)), "1 - (2 - 3)"),
        (("-", ("-", 1, 2), 3), "1 - 2 - 3"),
        (("/", -6, ("/", 2, -3)), "(-6)/(2/(-3))"),
        (("*", Fraction(1, 2), Fraction(-3, 4)), "(1/2)*(-3/4)"),
        (("*", -6, -7), "-6*(-7)"),
    ],
)
def test_render(node, text):
    assert working.render(node) == text


def test_what_the_problem_states_is_not_said_again():
    node = ("+", 1, ("*", 2, 3))
    assert working.chain(node) == ["1 + 6", "7"]
    assert working.chain(node, "1+2*3") == ["1 + 6", "7"]
    half = ("*", ("/", 2, -4), 3)
    assert working.chain(half)[0] == "(-1/2)*3"
    assert working.chain(half, "(-1/2)*3")[0] == "-1*3/2"


# --- Properties -------------------------------------------------------------


@given(POSITIVE, POSITIVE)
@settings(max_examples=60)
def test_a_product_ends_in_its_value(one, other):
    lines = working.product(one, other)
    if lines:
        judge(f"{one}*{other} + 1", lines)
        assert lines[-1] == f"= {one * other}"
        assert all(number(x.split("=")[1]) == one * other for x in lines)
    else:
        digits = [str(n).strip("0") for n in (one, other)]
        assert min(map(len, digits)) == 1


@given(POSITIVE, st.integers(2, 10**5))
@settings(max_examples=60)
def test_a_division_leaves_a_rest_below_the_divisor(top, bottom):
    lines = working.division(top, bottom)
    judge(f"{top}/{bottom} + 1", lines)
    assert bool(lines) == (top >= bottom)
    if lines:
        last = lines[-1].split("=")[1]
        assert number(last) == Fraction(top, bottom)
        rest = re.fullmatch(r" [0-9]+ \+ ([0-9]+)/[0-9]+", last)
        assert int(rest[1]) < bottom if rest else top % bottom == 0


@given(POSITIVE, POSITIVE)
@settings(max_examples=60)
def test_euclid_ends_in_the_greatest_common_divisor(one, other):
    lines = working.euclid(one, other)
    judge(f"gcd({one}, {other})", [*lines, str(math.gcd(one, other))])
    assert len(set(lines)) == len(lines)
    last = lines[-1] if lines else f"gcd({one}, {other})"
    numbers = set(map(int, re.findall("[0-9]+", last)))
    assert math.gcd(one, other) == max(numbers) or 1 in numbers
    assert 0 in numbers or 1 in numbers


@given(POSITIVE, st.integers(2, 10**5))
@settings(max_examples=60)
def test_a_quotient_is_brought_to_lowest_terms(top, bottom):
    assume(top >= bottom or bottom >= 100)  # smaller ones need no lines
    judge(f"{top}/{bottom} + 1", working.quotient(top, bottom))


@given(TREES, st.none() | st.integers(0, 99).map(random.Random))
@settings(max_examples=300)
def test_a_chain_ends_in_the_value(node, way):
    try:
        value = working.value(node)
    except ZeroDivisionError:
        assume(False)
    text = working.render(node)
    assert number(text) == value
    lines = working.chain(node, rng=way)
    if isinstance(node, int):
        assert lines == []
        return
    assert lines[-1] == str(value)
    if max(map(len, [text, *lines])) < 300:
        judge(text, [line for line in lines if line != text])
