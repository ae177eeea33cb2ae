"""Values of polynomials."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm import extend
from jaxlrm.families import working
from jaxlrm.families.evaluation import Evaluation, horner, polynomial

FAMILY = Evaluation()


def value(expression: str) -> int:
    assert re.fullmatch(r"[-+*() 0-9]+", expression), expression
    return eval(expression)


@pytest.mark.parametrize(
    ("text", "statement", "answer"),
    [  # of DeepMind's dataset
        (
            "Let x(n) = n**2 + 176*n - 7397. Determine x(-211).",
            "(-211)**2 + 176*(-211) - 7397",
            -12,
        ),
        (
            "Let x(t) = -2*t**3 + 5*t**2 - 195*t - 916. What is x(0)?",
            "-2*(0)**3 + 5*(0)**2 - 195*(0) - 916",
            -916,
        ),
        (
            "Let s(c) = 1243*c - 6220. Calculate s(5).",
            "1243*(5) - 6220",
            -5,
        ),
        (
            "Let g(i) = -i**2 + 11*i - 2. Give g(8).",
            "-(8)**2 + 11*(8) - 2",
            22,
        ),
        ("Let f(x) = -x. Give f(-3).\nThink.", "-(-3)", 3),
    ],
)
def test_phrasings(text, statement, answer):
    reading = extend.recognise(text)
    assert reading.family.name == "evaluate"
    assert reading.statement == statement
    assert value(statement) == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Let f(x) = x**2. What is g(3)?",
        "Let f(x) = y**2. What is f(3)?",
        "Let f(x) = x**2 + y. What is f(3)?",
        "Let f(x) = x**2. What is f(x)?",
        "Let f(x) = x**2. What is f(3)",
        "Let f(x) = x**-2. What is f(3)?",
        "Let f(x) = x**22. What is f(3)?",
        "Let f(x) = x x. What is f(3)?",
        "Let f(x) = 3 * * x. What is f(3)?",
        "Let f(x) = x +. What is f(3)?",
        "Let f(x) =  . What is f(3)?",
        "Let f(x) = (x + 1)**2. What is f(3)?",
        f"Let f(x) = {'x + ' * 10**5}x. What is f(3)?",
        f"Let f(x) = x. What is f({'3' * 10**5})?",
    ],
)
def test_other_texts(text):
    assert FAMILY.statement(text) is None
    assert extend.recognise(text) is None


@pytest.mark.parametrize("level", extend.LEVELS)
def test_answers_are_right(level):
    rng = random.Random(level)
    for _ in range(25):
        problem = FAMILY.sample(rng, level)
        statement = FAMILY.statement(problem.text)
        assert value(statement) == int(problem.answer)
        assert problem.steps[-1] == problem.answer
        assert max(map(len, problem.steps)) < 80


@pytest.mark.parametrize(
    ("coefficients", "text"),
    [
        ([-8, 0, 3], "3*x**2 - 8"),
        ([0, 1], "x"),
        ([0, -1, 0, -1], "-x**3 - x"),
        ([1, 1], "x + 1"),
        ([5], "5"),
        ([0], "0"),
    ],
)
def test_polynomial(coefficients, text):
    assert polynomial(coefficients, "x") == text


def test_horner():
    assert working.render(horner([-8, 3, 2], 5)) == "(2*5 + 3)*5 - 8"
    assert working.render(horner([5, 0, -14, 1], 14)) == "(14 - 14)*14*14 + 5"


@given(
    st.lists(st.integers(-99, 99), min_size=1, max_size=5),
    st.integers(-99, 99),
)
def test_horner_keeps_the_value(coefficients, point):
    powers = (c * point**i for i, c in enumerate(coefficients))
    assert working.value(horner(coefficients, point)) == sum(powers)


def test_accepts():
    assert FAMILY.accepts("", "-12", "-12")
    assert not FAMILY.accepts("", "12", "-12")
    assert not FAMILY.accepts("", "-13 + 1", "-12")
