import random

import pytest

from jaxlrm.families.derivative import Derivative
from jaxlrm.families.rules import derivative
from jaxlrm.verify.verdict import Verdict

FAMILY = Derivative()


def problems(level, count=100):
    rng = random.Random(level)
    return [FAMILY.sample(rng, level) for _ in range(count)]


@pytest.mark.parametrize("level", range(1, 8))
def test_chains_are_right(level):
    for problem in problems(level):
        statement = FAMILY.statement(problem.text)
        steps = problem.steps
        assert len(problem.text) < 600
        assert steps[-1] == problem.answer
        for count in range(1, len(steps) + 1):
            verdict = derivative.check(statement, steps[:count])
            assert verdict is Verdict.VALID, (problem.text, steps[:count])
        assert derivative.check_answer(statement, steps) is Verdict.VALID
        assert derivative.answer(statement, steps) == problem.answer


def test_sampling_is_deterministic():
    assert problems(5, 20) == problems(5, 20)


@pytest.mark.parametrize(
    "text, statement",
    [
        (
            "Find the second derivative of 3*z**4 + a wrt z.",
            "diff(3*z**4 + a, z, 2)",
        ),
        (
            "What is the third derivative of f**5*g wrt f?",
            "diff(f**5*g, f, 3)",
        ),
        ("Differentiate x*y with respect to x.", "diff(x*y, x, 1)"),
        ("Differentiate x*y wrt x.\nThink.", "diff(x*y, x, 1)"),
        ("What is the derivative of x*y wrt x?", "diff(x*y, x, 1)"),
        ("Find the first derivative of -x**2 + 1.", "diff(-x**2 + 1, x, 1)"),
        ("What is the second derivative of 2 - 3*x?", "diff(2 - 3*x, x, 2)"),
        ("Differentiate 5*w**4.", "diff(5*w**4, w, 1)"),
        ("What is the derivative of 5*w**4?", "diff(5*w**4, w, 1)"),
        ("Differentiate 5 wrt w.", "diff(5, w, 1)"),
    ],
)
def test_reads_phrasings(text, statement):
    assert FAMILY.statement(text) == statement


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Differentiate x*y.",
        "Differentiate 5.",
        "Differentiate yourself.",
        "Differentiate (x + 1)*x wrt x.",
        "Find the fourth derivative of x wrt x.",
        "What is 3 + 4?",
        "Differentiate " + " wrt x" * 10**5 + ".",
    ],
)
def test_leaves_other_texts(text):
    assert FAMILY.statement(text) is None


def test_accepts():
    assert FAMILY.accepts("", "2*x*y - 1", "2*x*y - 1")
    assert FAMILY.accepts("", "-1 + 2*y*x", "2*x*y - 1")
    assert not FAMILY.accepts("", "x*y + x*y - 1", "2*x*y - 1")
    assert not FAMILY.accepts("", "diff(x)", "1")
