"""Greatest common divisors and least common multiples."""

from __future__ import annotations

import math
import random
import re

import pytest

from jaxlrm import extend
from jaxlrm.families.divisors import GreatestCommonDivisor, LeastCommonMultiple

FAMILIES = {"gcd": GreatestCommonDivisor(), "lcm": LeastCommonMultiple()}
FIND = "Find the Greatest Common Divisor (GCD) of these numbers: "
GIVE = " Give only the GCD as your final answer."


@pytest.mark.parametrize(
    ("text", "statement", "answer"),
    [  # of DeepMind's dataset
        (
            "What is the highest common divisor of 146796 and 348?",
            "gcd(146796, 348)",
            "12",
        ),
        (
            "Calculate the greatest common divisor of 115 and 140645.",
            "gcd(115, 140645)",
            "115",
        ),
        (
            "What is the greatest common factor of 1331 and 473?",
            "gcd(1331, 473)",
            "11",
        ),
        (
            "Calculate the highest common factor of 13000 and 7486375.",
            "gcd(13000, 7486375)",
            "1625",
        ),
        (
            "Calculate the common denominator of 49/480 and 169/108960.",
            "lcm(480, 108960)",
            "108960",
        ),
        (
            "What is the common denominator of -145/18 and -157/30?",
            "lcm(18, 30)",
            "90",
        ),
        (
            "Find the common denominator of -35/232 and 71/20.",
            "lcm(232, 20)",
            "1160",
        ),
        (
            "Calculate the least common multiple of 260 and 104.",
            "lcm(260, 104)",
            "520",
        ),
        (
            "Calculate the lowest common multiple of 50 and 25.",
            "lcm(50, 25)",
            "50",
        ),
        (
            "What is the smallest common multiple of 338922 and 249732?",
            "lcm(338922, 249732)",
            "4744908",
        ),
        # of reasoning-gym
        (f"{FIND}841, 549.{GIVE}", "gcd(841, 549)", "1"),
        (f"{FIND}440, 495.{GIVE}", "gcd(440, 495)", "55"),
        (
            "Find the Least Common Multiple (LCM) of these numbers: 98, 54",
            "lcm(98, 54)",
            "2646",
        ),
    ],
)
def test_phrasings(text, statement, answer):
    for ending in ("", "\nThink step by step."):
        reading = extend.recognise(text + ending)
        assert reading.family.name == statement[:3]
        assert reading.statement == statement
    numbers = map(int, re.findall("[0-9]+", statement))
    assert getattr(math, statement[:3])(*numbers) == int(answer)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gcd(4, 6)",
        "What is the greatest common divisor of 4 and 0?",
        "What is the greatest common divisor of 4 and -6?",
        "What is the greatest common divisor of 4, 6 and 8?",
        "What is the common denominator of 1/0 and 1/2?",
        "What is the greatest common multiple of 4 and 6?",
        f"{FIND}4, 6, 8.{GIVE}",
        f"What is the greatest common divisor of 4 and {'9' * 10**5}?",
    ],
)
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_other_texts(family, text):
    assert family.statement(text) is None


@pytest.mark.parametrize("level", extend.LEVELS)
@pytest.mark.parametrize("name", FAMILIES)
def test_answers_are_right(name, level):
    rng = random.Random(level)
    for _ in range(30):
        problem = FAMILIES[name].sample(rng, level)
        statement = FAMILIES[name].statement(problem.text)
        numbers = [int(n) for n in re.findall("[0-9]+", statement)]
        assert getattr(math, name)(*numbers) == int(problem.answer)
        assert problem.steps[-1] == problem.answer
        assert max(map(len, problem.steps)) < 80


def test_accepts():
    family = FAMILIES["gcd"]
    assert family.accepts("gcd(4, 6)", "2", "2")
    assert not family.accepts("gcd(4, 6)", "gcd(4, 6)", "2")
    assert not family.accepts("gcd(4, 6)", "1 + 1", "2")
    assert not family.accepts("gcd(4, 6)", "-2", "2")
