import random

import pytest

from jaxlrm.tasks.polynomials import Expand, _Solver
from jaxlrm.verify.exact import equal, parse
from jaxlrm.verify.rules import polynomials
from jaxlrm.verify.verdict import Verdict

FAMILY = Expand()


def problems(level, count=60):
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
            verdict = polynomials.check(statement, steps[:count])
            assert verdict is Verdict.VALID, (problem.text, steps[:count])
        assert polynomials.check_answer(statement, steps) is Verdict.VALID
        assert polynomials.answer(statement, steps) == problem.answer


def test_answers_are_right():
    for problem in problems(4):
        expression = FAMILY.statement(problem.text)[7:-1]
        (value,) = parse(expression).sides
        (answer,) = parse(problem.answer).sides
        assert equal(value, answer)


def test_sampling_is_deterministic():
    assert problems(5, 20) == problems(5, 20)


@pytest.mark.parametrize(
    "text, expression",
    [
        ("Expand (2*x + 3)*(5*x - 1).", "(2*x + 3)*(5*x - 1)"),
        (
            "Simplify this expression: 21*x*(61*x**3 + 78*x + 9)\nUse **.",
            "21*x*(61*x**3 + 78*x + 9)",
        ),
        (
            "Calculate the following: -116*x**3*(-93*x - 12)\n\n1. Use **.",
            "-116*x**3*(-93*x - 12)",
        ),
    ],
)
def test_reads_phrasings(text, expression):
    assert FAMILY.statement(text) == f"expand({expression})"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Expand the house.",
        "Expand (2*x + 3)*(5*x - 1)",
        "Expand (2*x + 3.",
        "Expand 2*x + 3 = 4.",
        "Expand 1/x.",
        "What is 3 + 4?",
        "Expand " + "(" * 500 + ".",
        "Expand " + "x + " * 10**5 + "x.",
    ],
)
def test_leaves_other_texts(text):
    assert FAMILY.statement(text) is None


def test_accepts():
    assert FAMILY.accepts("", "2*x - 1", "2*x - 1")
    assert FAMILY.accepts("", "-1 + 2*x", "2*x - 1")
    for wrong in ("2*x + 1", "x + x - 1", "2*(x) - 1 + 0 )", "", "(1 + x)*2"):
        assert not FAMILY.accepts("", wrong, "2*x - 1")
    assert not FAMILY.accepts("", "(x + 1)*(x - 1)", "x**2 - 1")


def test_a_product_is_restated_in_the_order_of_its_rows():
    one, other = [(3, 0), (-1, 1)], [(2, 0), (-1, 2)]
    solver = _Solver("x")
    assert solver.solve([[one, other, [(1, 1), (1, 0)]]]) == (
        "x**4 - 2*x**3 - 5*x**2 + 4*x + 6"
    )
    assert solver.steps[:3] == [
        "3*(2 - x**2) = 6 - 3*x**2",
        "-x*(2 - x**2) = -2*x + x**3",
        "(3 - x)*(2 - x**2) = 6 - 3*x**2 - 2*x + x**3",
    ]
