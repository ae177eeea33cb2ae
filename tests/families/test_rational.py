"""Arithmetic with fractions."""

from __future__ import annotations

import random
import re
from fractions import Fraction

import pytest

from jaxlrm import extend
from jaxlrm.families.rational import RationalArithmetic, render

FAMILY = RationalArithmetic()


def value(expression: str) -> Fraction:
    assert re.fullmatch(r"[-+*/() 0-9]+", expression), expression
    return Fraction(eval(re.sub("([0-9]+)", r"Fraction(\1)", expression)))


@pytest.mark.parametrize(
    ("text", "answer"),
    [  # of DeepMind's dataset
        ("Calculate ((-9)/(-6))/(-2 - -3) + -1.", "1/2"),
        ("((-8450)/1650 - -5)*132/(-824)", "2/103"),
        ("What is (4592/(-1804))/(16/(-22))?", "7/2"),
        ("What is -207 - -123 - ((-1)/14 + (-5219)/238)?", "-62"),
        ("What is the value of (6/(-7))/((-1872)/126 - -15)?", "-6"),
        ("Evaluate ((-54)/24)/((-3)/(-8)).", "-6"),
        ("(-7)/2*(-46172)/(-9506)", "-17"),
        ("Calculate (-26730)/(-440)*18/81*-6.", "-81"),
        ("What is -3*(-30)/15*2/18?", "2/3"),
        # of reasoning-gym
        ("Calculate -9 + 5 - -1 * -4 + -2 * 2.", "-12"),
        ("Calculate -( ( -6915 / 5 ) - 7652 + 4844 ) - 7314.", "-3123"),
        ("Calculate -28 * -( ( ( 91 / 7 ) / 13 ) - 6 ) / 1.", "-140"),
        ("Calculate 3 * 9.", "27"),
    ],
)
def test_phrasings(text, answer):
    for ending in ("", "\nThink."):
        reading = extend.recognise(text + ending)
        assert reading.family.name == "rational"
        assert value(reading.statement) == Fraction(answer)
        assert FAMILY.accepts(reading.statement, answer, answer)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("What is 17 + 5 + 2 + -41?", "-17"),  # DeepMind's arithmetic__mixed
        ("Calculate ( -6 + -77 - 8 + -38 ).", "-129"),  # reasoning-gym
    ],
)
def test_sums_are_read_by_the_family_of_sums(text, answer):
    reading = extend.recognise(text)
    assert reading.family.name == "arithmetic"
    assert FAMILY.statement(text) == reading.statement
    assert value(reading.statement) == Fraction(answer)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Calculate .",
        "Calculate ( ).",
        "Calculate x*3.",
        "Calculate 2^3.",
        "Calculate 1,000*3.",
        "1*" * 10**5,
        "Calculate 3*4. Why?",
    ],
)
def test_other_texts(text):
    assert FAMILY.statement(text) is None


def test_the_mark_at_the_end_may_be_left_out():
    assert FAMILY.statement("What is 2*3") == "2*3"


@pytest.mark.parametrize("level", extend.LEVELS)
def test_answers_are_right(level):
    rng = random.Random(level)
    for _ in range(25):
        problem = FAMILY.sample(rng, level)
        assert value(FAMILY.statement(problem.text)) == Fraction(problem.answer)
        assert problem.steps[-1] == problem.answer
        assert len(problem.steps) <= 64
        assert max(map(len, problem.steps)) <= 120


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (("/", -6, -18), "(-6)/(-18)"),
        (("-", 4, -5), "4 - -5"),
        (("*", 2, -3), "2*-3"),
        (("-", 1, ("+", 2, 3)), "1 - (2 + 3)"),
        (("/", ("/", 1, 2), ("/", 3, 4)), "(1/2)/(3/4)"),
        (("*", ("-", 1, 2), ("*", 3, 4)), "(1 - 2)*(3*4)"),
    ],
)
def test_render(node, text):
    assert render(node) == text


def test_accepts():
    assert FAMILY.accepts("", "1/2", "1/2")
    assert FAMILY.accepts("", "0.5", "1/2")
    assert FAMILY.accepts("", "2/4", "1/2")
    for answer in ("1/3", "-1/2", "1/2 + 0", "(1)/2", "1", ""):
        assert not FAMILY.accepts("", answer, "1/2")
