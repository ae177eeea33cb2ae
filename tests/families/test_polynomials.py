import random

import pytest

from jaxlrm.families.polynomials import Expand, _Solver
from jaxlrm.families.rules import polynomials
from jaxlrm.verify.answers.exact import equal
from jaxlrm.verify.answers.lines import parse
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
        last = polynomials.read_sum(steps[-1], power_first=True)
        assert sorted(last) == sorted(polynomials.read_sum(problem.answer))
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
            "Simplify this expression: 21*x*(61*x**3 + 78*x + 9)\n"
            "When performing calculations, please follow these guidelines:\n"
            "1. Use ** instead of ^ to represent exponents. For example, write "
            "7*X**2 instead of 7*X^2.\n"
            "2. Always include the * symbol for all multiplication operations "
            "in your reasoning steps. For example, write `-3*X**3*sin(X)` "
            "instead of `-3x3sin(x)`.\n",
            "21*x*(61*x**3 + 78*x + 9)",
        ),
        (
            "Calculate the following: -116*x**3*(-93*x - 12)\n\n## 1. Use ** "
            "instead ^ to represent powers. For example 7*X**2 instead of "
            "7*X^2.",
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
        "3*(2 - x**2) = 6 - x**2*3",
        "-x*(2 - x**2) = -x*2 + x**3",
        "(3 - x)*(2 - x**2) = 6 - x**2*3 - x*2 + x**3",
    ]


@pytest.mark.parametrize(
    ("terms", "lines"),
    [
        ("-20*z - 19*z - 2 + 42*z", ["-39*z - 2 + 42*z", "3*z - 2"]),
        ("428 - m - 416 + 3*m", ["12 - m + 3*m", "12 + 2*m"]),
        ("x - 4 - x + 7", ["3"]),
        ("50*x - 50*x + 30*x + 2 + 3", ["30*x + 2 + 3", "30*x + 5"]),
        ("x**2 + 5 + 3*x**2 - 9 - 4*x**2 + 1 + 1", ["5 - 9 + 1 + 1", "-2"]),
    ],
)
def test_a_sum_takes_the_place_of_its_first_term(terms, lines):
    expression = [
        (coefficient, sum(exponent for _, exponent in powers))
        for _, coefficient, powers in polynomials.read_sum(terms)
    ]
    name = next(letter for letter in terms if letter.isalpha())
    solver = _Solver(name)
    solver.sum(expression)
    assert solver.steps == [
        f"{terms} = {lines[0]}",
        *(f"= {line}" for line in lines[1:]),
    ]


def test_a_row_is_added_to_those_before_it():
    solver = _Solver("x")
    factors = [[(1, 1), (3, 0), (-2, 2)], [(1, 1), (5, 0)]]
    answer = solver.solve([factors, (4, 1), (7, 0), (6, 1)])
    assert answer == "-2*x**3 - 9*x**2 + 18*x + 22"
    assert solver.steps == [
        "x*(x + 5) = x**2 + x*5",
        "3*(x + 5) = x*3 + 15",
        "x*5 + x*3 = x*8",
        "-2*x**2*(x + 5) = -x**3*2 - x**2*10",
        "x**2 - x**2*10 = -x**2*9",
        "4*x + 6*x = x*10",
        "x*8 + x*10 = x*18",
        "15 + 7 = 22",
        "-x**3*2 - x**2*9 + x*18 + 22",
    ]


def test_a_product_with_a_bare_sign_is_not_written_as_its_value():
    solver = _Solver("x")
    assert solver.solve([[[(-1, 1)], [(2, 0)]]]) == "-2*x"
    assert solver.steps == ["-x*(2) = -x*2", "-x*2"]
