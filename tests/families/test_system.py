"""Linear systems: every line follows, and the answer solves the problem."""

from __future__ import annotations

import random
import re
import time

import pytest

from jaxlrm.families.linear import LinearEquation
from jaxlrm.families.rules import systems as rule
from jaxlrm.families.system import LinearSystem, _multiply, _scales
from jaxlrm.verify.answers.exact import substitute
from jaxlrm.verify.answers.lines import difference, parse
from jaxlrm.verify.verdict import Verdict

FAMILY = LinearSystem()
LEVELS = range(1, 8)
each_level = pytest.mark.parametrize("level", LEVELS)


@each_level
def test_chains_are_valid(level):
    rng = random.Random(level)
    for _ in range(30):
        problem = FAMILY.sample(rng, level)
        statement = FAMILY.statement(problem.text)
        assert problem.text == f"Solve {statement}."
        assert rule.reads(statement)
        for end in range(1, len(problem.steps) + 1):
            steps = problem.steps[:end]
            assert rule.check(statement, steps) is Verdict.VALID, steps
            finished = rule.check_answer(statement, steps) is Verdict.VALID
            assert finished == (end == len(problem.steps)), steps
        assert rule.answer(statement, problem.steps) == problem.answer


def test_corrupted_steps_are_refused():
    """All but a few, which are true by luck, mostly where a root is zero."""
    rng = random.Random(0)
    valid, count = 0, 0
    for _ in range(100):
        problem = FAMILY.sample(rng, rng.choice(LEVELS))
        statement = FAMILY.statement(problem.text)
        for end in range(1, len(problem.steps) + 1):
            *steps, last = problem.steps[:end]
            digits = [i for i, char in enumerate(last) if char.isdigit()]
            if not digits:
                continue
            index = rng.choice(digits)
            other = str((int(last[index]) + rng.randint(1, 9)) % 10)
            steps.append(last[:index] + other + last[index + 1 :])
            valid += rule.check(statement, steps) is Verdict.VALID
            count += 1
    assert count > 900
    assert valid < 0.02 * count


@each_level
def test_answers_solve_the_equations(level):
    """By substitution of both unknowns, apart from the rule."""
    rng = random.Random(level)
    for _ in range(20):
        problem = FAMILY.sample(rng, level)
        first, second, asked = re.fullmatch(
            "Solve (.*), (.*) for (.)\\.", problem.text
        ).groups()
        values = [
            substitute(difference(parse(text)), asked, int(problem.answer))
            for text in (first, second)
        ]
        # What is left has the same root in both equations.
        (one, other) = (value.top for value in values)
        (name,) = {m for m in one if m}
        assert {m for m in other if m} == {name}
        assert one.get((), 0) * other[name] == other.get((), 0) * one[name]


@each_level
def test_steps_are_short(level):
    rng = random.Random(level)
    for _ in range(50):
        problem = FAMILY.sample(rng, level)
        assert 1 < len(problem.steps) < 40
        assert max(map(len, problem.steps)) < 80
        assert len(set(problem.steps)) == len(problem.steps)


def test_sampling_is_deterministic():
    for level in LEVELS:
        one, other = (FAMILY.sample(random.Random(5), level) for _ in "ab")
        assert one == other


@pytest.mark.parametrize(
    "text, statement",
    [
        (
            "Solve 5*m - 155 = 2*d, -3*m = 28*d - 438 + 199 for d.",
            "5*m - 155 = 2*d, -3*m = 28*d - 438 + 199 for d",
        ),
        (
            " Solve 0 = v, 23*g - 19*g - 4*v = -12 for g\nAnswer briefly.",
            "0 = v, 23*g - 19*g - 4*v = -12 for g",
        ),
        ("Solve x = 1 for x.", None),
        ("Solve x = 1, y = x for z.", None),
        ("Solve x = y, 2*x = 2*y for x.", None),
        ("Solve x*y = 1, x = y for x.", None),
        ("What is 3 + 4?", None),
        ("Solve " + "1 + " * 10**5 + "x = 1, y = x for x.", None),
        ("", None),
        ("\ud800", None),
    ],
)
def test_reads(text, statement):
    assert FAMILY.statement(text) == statement
    assert statement is None or LinearEquation().statement(text) is None


def test_products_are_parted():
    assert _multiply(-239, 45) == [(-239, 40), (-239, 5)]
    assert _multiply(45, 239) == [(239, 40), (239, 5)]
    assert _multiply(-239, 40) == [(-9560,)]
    assert _multiply(123, 21) == [(123, 20), (123,)]


def test_scales_cancel():
    for one in (-12, -6, -1, 4, 15):
        for other in (-12, -8, 1, 6, 35):
            scale, other_scale = _scales(one, other)
            assert scale > 0
            assert scale * one + other_scale * other == 0
    assert _scales(4, 6) == (3, -2)
    assert _scales(12, -12) == (1, 1)


def test_sampling_is_fast():
    rng = random.Random(0)
    start = time.process_time()
    for _ in range(100):
        for level in LEVELS:
            FAMILY.sample(rng, level)
    assert time.process_time() - start < 0.7  # 1 ms each; about 0.06 needed
