"""Prime factorisation."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm import extend
from jaxlrm.families.factors import PrimeFactorisation, factorise

FAMILY = PrimeFactorisation()
HOW = (
    " Write the factors separated by × (Example: for 12 the answer would be: "
    "2 × 2 × 3)"
)


@pytest.mark.parametrize(
    ("number", "answer"),
    [  # of reasoning-gym
        (333, "3 × 3 × 37"),
        (587, "587"),
        (990, "2 × 3 × 3 × 5 × 11"),
        (10, "2 × 5"),
    ],
)
def test_phrasings(number, answer):
    text = f"Find the prime factorization of {number}."
    for phrase in (text, text + HOW, f"{text}{HOW}\nThink."):
        reading = extend.recognise(phrase)
        assert reading.family.name == "factors"
        assert reading.statement == f"factors({number})"
    assert " × ".join(map(str, factorise(number))) == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Find the prime factorization of x.",
        "Find the prime factorization of 12 and 13.",
        "Find the prime factorization of -12.",
        f"Find the prime factorization of {'9' * 10**5}.",
        f"Find the prime factorization of 12.{' ×' * 10**5}",
    ],
)
def test_other_texts(text):
    assert FAMILY.statement(text) is None


@pytest.mark.parametrize("level", extend.LEVELS)
def test_answers_are_right(level):
    rng = random.Random(level)
    for _ in range(30):
        problem = FAMILY.sample(rng, level)
        primes = [int(part) for part in problem.answer.split(" × ")]
        assert f"of {math.prod(primes)}." in problem.text
        assert primes == sorted(primes)
        assert len(problem.steps) == len(primes)


def test_a_worked_chain():
    rng = random.Random(0)
    problem = FAMILY.sample(rng, 3)
    while "of 980." not in problem.text:
        problem = FAMILY.sample(rng, 3)
    assert problem.steps == (
        "= 2*490",
        "= 2*2*245",
        "= 2*2*5*49",
        "= 2*2*5*7*7",
        "2 × 2 × 5 × 7 × 7",
    )


@given(st.integers(2, 10**6))
def test_factorise(number):
    primes = factorise(number)
    assert math.prod(primes) == number and primes == sorted(primes)
    assert all(factorise(prime) == [prime] for prime in primes)


def test_accepts():
    accepts = FAMILY.accepts
    assert accepts("factors(12)", "2 × 2 × 3", "2 × 2 × 3")
    assert accepts("factors(12)", "3 × 2 × 2", "2 × 2 × 3")
    assert accepts("factors(12)", "2*2*3", "2 × 2 × 3")  # as the rule does
    for answer in ("2 × 6", "12", "2 × 3", "2 × 2 × 3 × 1", "", "×", "22 × 3"):
        assert not accepts("factors(12)", answer, "2 × 2 × 3")
    assert not accepts("factors(23)", "2 3", "23")
