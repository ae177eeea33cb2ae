import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm.verify import is_equivalent
from jaxlrm.verify.maths import compare
from jaxlrm.verify.verdict import Verdict
from tests.verify.bombs import BOMBS

EQUAL = [
    ("7", "7.0"),
    ("3 - -4", "7"),
    ("3 + 4", "7"),
    ("--5", "5"),
    ("3*-4", "-12"),
    ("2^-2", "1/4"),
    ("-2^2", "-4"),
    ("2**3**2", "512"),
    ("3/6", "1/2"),
    ("1.5", r"\frac{3}{2}"),
    (r"\frac12", "0.5"),
    (r"1\frac{1}{2}", "3/2"),
    (r"$\dfrac{3}{4}$", "0.75"),
    (r"3 \cdot 4", "12"),
    (r"3 \times 10^{5}", "300000"),
    ("1e5", "100000"),
    ("1e-05", "0.00001"),
    ("10,\\!000", "10000"),
    ("1,234,567", "1234567"),
    ("\N{MINUS SIGN}5", "-5"),
    ("10-4n", "-4n + 10"),
    ("2(x+1)", "2x + 2"),
    ("xy^2", "y*y*x"),
    ("(x+1)^3", "x^3+3x^2+3x+1"),
    (r"\frac{x^2-1}{x-1}", "x+1"),
    ("1/x + 1/y", "(x+y)/(xy)"),
    (r"2\pi", "pi * 2"),
    ("x = 5", "5"),
    ("5 = x", "x = 5"),
    ("y = 2x+1", "2x + 1"),
    ("f(x) = x^2", "x^2"),
    ("2x + 4y = 6", "x + 2y = 3"),
    ("x + 2y = 3", "2y = 3 - x"),
    ("1,2,3", "3, 1, 2"),
    ("x = 2 or x = -2", "-2, 2"),
    (r"\{1, 2\}", "2, 1"),
    (r"\left(3, \frac{\pi}{2}\right)", r"(3, \pi/2)"),
    ("(45,2),(-10,-9)", "(-10,-9), (45,2)"),
    (r"5\text{ cm}", "5 cm"),
    (r"\text{Evelyn}", "evelyn"),
    (r"\text{(C)}", "C"),
    ("0.28", r"28\%"),
    (r"\boxed{5}", "$5$"),
]
# The gold accepts the prediction, not the other way round.
ONE_WAY = [
    ("28%", "28"),
    ("5 cm", "5"),
    (r"\$18", "18"),
    (r"90^\circ", "90"),
    ("12 dollars", "12"),
    ("1/3", "0.333"),
    ("2/3", "0.67"),
    ("x = 5", "2x = 10"),
]
DIFFERENT = [
    ("5", "6"),
    ("0.333", "1/3"),
    ("6/13", "0.5"),
    ("0.000001", "0.000002"),
    ("28", "28%"),
    ("y = 5", "x = 5"),
    ("2x = 10", "x = 5"),
    ("x + y = 3", "x + y = 4"),
    ("x + 1", "x + 2"),
    ("x", "5"),
    ("(1, 2)", "(2, 1)"),
    ("(1, 2)", "[1, 2]"),
    ("(1, 2]", "(1, 2)"),
    ("1, 2, 3", "1, 2"),
    ("5 or 6", "5"),
    ("", "5"),
    ("1/0", "5"),
]
UNDECIDED = [
    ("5", "5 cm"),
    ("500 cm", "5 m"),
    ("0.3333", "0.333"),
    (r"\sqrt{4}", "2"),
    ("i*i", "-1"),
    ("1/2x", "x/2"),
    ("f(x+1)", "f*x + f"),
    ("no solution", "5"),
    ("1, 2", "(1, 2)"),
    ("5", ""),
    ("5", "1/0"),
    ("3 + 4 = 7", "7"),
]


@pytest.mark.parametrize(("prediction", "gold"), EQUAL)
def test_equal(prediction, gold):
    assert is_equivalent(prediction, gold)
    assert is_equivalent(gold, prediction)


@pytest.mark.parametrize(("prediction", "gold"), ONE_WAY)
def test_the_gold_decides_about_units_and_precision(prediction, gold):
    assert is_equivalent(prediction, gold)
    assert not is_equivalent(gold, prediction)


@pytest.mark.parametrize(("prediction", "gold"), DIFFERENT)
def test_different(prediction, gold):
    assert compare(prediction, gold) is Verdict.INVALID


@pytest.mark.parametrize(("prediction", "gold"), UNDECIDED)
def test_undecided_is_unknown_and_not_equal(prediction, gold):
    assert compare(prediction, gold) is Verdict.UNKNOWN
    assert not is_equivalent(prediction, gold)


@pytest.mark.parametrize("text", BOMBS)
def test_bombs_return_quickly(text):
    start = time.perf_counter()
    assert not is_equivalent(text, "1")
    assert not is_equivalent("1", text)
    assert not is_equivalent(f"{text}, {text}", f"{text}, 1")
    assert time.perf_counter() - start < 2


def test_lists_of_lists_are_bounded():
    rows = [range(row, row + 30) for row in range(0, 900, 30)]
    one, other = (
        "{" + ",".join("{" + ",".join(map(str, r)) + "}" for r in part) + "}"
        for part in (rows, rows[::-1])
    )
    start = time.perf_counter()
    assert compare(one, other) is Verdict.UNKNOWN
    assert time.perf_counter() - start < 1
    assert is_equivalent(one, one)
    assert is_equivalent("{{1,2},{3}}", "{{3},{2,1}}")


def _binary(inner):
    return st.builds(
        "{} {} {}".format, inner, st.sampled_from("+-*"), inner
    ) | st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner)


NUMBERS = st.integers(-99, 99).map(str)
EXPRESSIONS = st.recursive(
    NUMBERS | st.sampled_from(["x", "y", "x^2", "-x"]), _binary, max_leaves=8
)


@given(EXPRESSIONS)
def test_reflexive(text):
    spaced = text.replace("*", r" \cdot ").replace("(", r"\left( ")
    assert is_equivalent(text, text)
    assert is_equivalent(spaced.replace(")", r"\right)"), f"${text}$")


@given(EXPRESSIONS, EXPRESSIONS)
def test_symmetric(one, other):
    assert compare(one, other) is compare(other, one)


@given(EXPRESSIONS, st.integers(1, 9))
def test_rewriting_keeps_the_value_and_adding_changes_it(text, number):
    assert is_equivalent(f"({text}) + {number} - {number}", text)
    assert is_equivalent(f"{number}({text})/{number}", text)
    assert compare(f"{text} + {number}", text) is Verdict.INVALID


@given(
    st.text(
        alphabet=r"0123456789xyi+-*/^(){}[]=,.%$\ " + "frac text{}or",
        max_size=60,
    ),
    st.sampled_from(["5", "x = 5", "1, 2", r"\frac{1}{2}", "28%"]),
)
def test_compare_never_raises(text, gold):
    assert compare(text, gold) in Verdict
    assert compare(gold, text) in Verdict
    assert compare(text, text) in (Verdict.VALID, Verdict.UNKNOWN)
