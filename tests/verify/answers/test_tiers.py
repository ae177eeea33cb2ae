"""The tiers of values: rational numbers, residues, numerics; and units."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm.verify.answers import modular, numerical, units
from jaxlrm.verify.answers.comparison import compare
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.normal import normal_form
from jaxlrm.verify.answers.rational import Irrational, rational
from jaxlrm.verify.answers.regions import region
from jaxlrm.verify.answers.scalars import precision
from jaxlrm.verify.answers.syntax import parse_answer
from jaxlrm.verify.verdict import Verdict


def tree(text):
    return parse_answer(normal_form(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2/3 + 1/6", Fraction(5, 6)),
        (r"\sqrt{\frac{9}{4}}", Fraction(3, 2)),
        (r"\sqrt[3]{-27}", -3),
        ("8^{2/3}", 4),
        ("4^{-1/2}", Fraction(1, 2)),
        ("(-1)^{1000001}", -1),
        ("5!", 120),
        (r"\binom{5}{2}", 10),
        (r"\lceil -1.5 \rceil", -1),
        (r"\gcd(12, 18)", 6),
        (r"|1 - 3|", 2),
    ],
)
def test_rational(text, value):
    assert rational(tree(text)) == value


@pytest.mark.parametrize("text", ["x", r"\sqrt 2", r"\pi", "2^{1/2}", "1.5!"])
def test_irrational(text):
    with pytest.raises(Irrational):
        rational(tree(text))


@pytest.mark.parametrize("text", ["9^9^9^9", "1000!", "2^{8000}*3^{8000}"])
def test_rational_budget(text):
    with pytest.raises(NotParsed):
        rational(tree(text))


@given(st.integers(0, 10**12), st.integers(2, 7))
def test_roots_are_exact(number, degree):
    power = number**degree
    assert rational(tree(rf"\sqrt[{degree}]{{{power}}}")) == number
    if number > 1:
        with pytest.raises(Irrational):
            rational(tree(rf"\sqrt[{degree}]{{{power + 1}}}"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("(x+y)^2", "x^2+2xy+y^2", True),
        ("(x+y)^2", "x^2+y^2", False),
        ("(1+i)^2", "2i", True),
        ("1/(1/x)", "x", True),
        (r"2\pi x", r"x \pi + x \pi", True),
        (r"\pi", "3", False),
        (r"\sin(x+1)", r"\sin(1+x)", True),
        (r"\sin^2 x + \cos^2 x", "1", None),
        ("x^{17}", "x^{18}", False),
    ],
)
def test_identity(one, other, same):
    assert modular.identical(tree(one), tree(other)) is same


def test_division_by_zero_is_no_value():
    with pytest.raises(ZeroDivisionError):
        modular.identical(tree("1/(x-x)"), tree("1"))


def test_the_prime_is_one_and_allows_i():
    secret = modular._secret()
    assert secret.prime.bit_length() == modular.BITS
    assert pow(3, secret.prime - 1, secret.prime) == 1
    assert secret.imaginary**2 % secret.prime == secret.prime - 1
    # Numbers that are equal modulo a well-known prime are not equal.
    assert compare(str(2**127 - 1), "0").verdict is Verdict.INVALID
    assert compare(f"x + {2**127 - 1}", "x").verdict is Verdict.INVALID


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r"\sin^2 x + \cos^2 x", "1", True),
        (r"\sqrt{x^2}", "x", False),
        (r"\ln x^2", r"2 \ln x", True),
        ("n!", "n (n-1)!", True),
        (r"\sqrt{2} + 10^{-60}", r"\sqrt 2", False),
        ("e^{i x}", r"\cos x + i \sin x", True),
        ("f(x)", "x", None),
    ],
)
def test_numerical(one, other, same):
    pytest.importorskip("flint")
    try:
        found = numerical.equal(tree(one), tree(other))
    except NotParsed:
        found = None
    assert found is same


@given(st.floats(0.1, 50), st.floats(0.1, 50))
def test_numerical_values_agree_with_floats(one, other):
    pytest.importorskip("flint")
    text = rf"\sqrt{{{one:.6f}}} + \ln({other:.6f})"
    value = math.sqrt(float(f"{one:.6f}")) + math.log(float(f"{other:.6f}"))
    assert math.isclose(numerical.nearest(tree(text)), value, abs_tol=1e-9)


def test_without_flint_its_tier_does_not_decide(monkeypatch):
    monkeypatch.setattr(numerical, "flint", None)
    assert compare(r"\sqrt 8", r"2\sqrt 2").verdict is Verdict.UNKNOWN
    assert compare("x > 1", r"(1,\infty)").verdict is Verdict.VALID
    assert compare("2x+2", "2(x+1)").verdict is Verdict.VALID
    assert compare(r"\sqrt 3/2", "0.866").verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"[0,1]\cup[1,2]", "[0,2]"),
        (r"(1,3)\cap(2,4)", "(2,3)"),
        (r"\{2\}\cup[4,\infty)", r"[4,\infty)\cup\{2\}"),
        ("x>1 and x<5", "1<x<5"),
        ("x<1, x>5", "x>5 or x<1"),
        (r"\mathbb{R}\setminus[0,1]", r"(-\infty,0)\cup(1,\infty)"),
        (r"|x-2| \le 1", "[1,3]"),
        (r"|x| > 1", "x<-1 or x>1"),
    ],
)
def test_regions(one, other):
    assert region(tree(one)).pieces
    assert compare(one, other).verdict is Verdict.VALID


def test_precision_of_decimals():
    assert precision(tree("0.333")) == Fraction(1, 2000)
    assert precision(tree("-12.5")) == Fraction(1, 20)
    assert precision(tree(r"1.25 \times 10^{3}")) == 5
    assert precision(tree("0.5")) is None
    assert precision(tree("12")) is None


def test_units():
    speed = units.times(units.single("km"), units.single("h"), -1)
    assert speed.powers == units.single("mph").powers
    assert speed.size == Fraction(1000, 3600)
    assert units.single("meters") == units.single("m")
    assert units.single("apples") == units.single("apple")
    assert units.is_counted(units.single("apples"))
    assert not units.is_known("apples")
