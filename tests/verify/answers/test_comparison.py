import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jaxlrm.verify import is_equivalent
from jaxlrm.verify.answers import comparison
from jaxlrm.verify.answers.comparison import compare
from jaxlrm.verify.answers.scalars import TIERS
from jaxlrm.verify.verdict import Verdict
from tests.verify.bombs import BOMBS

EQUAL = [
    # numbers
    ("7", "7.0"),
    ("3 - -4", "7"),
    ("3 + 4", "7"),
    ("3 + 4 = 7", "7"),
    ("--5", "5"),
    ("3*-4", "-12"),
    ("2^-2", "1/4"),
    ("-2^2", "-4"),
    ("2**3**2", "512"),
    ("3/6", "1/2"),
    ("1.5", r"\frac{3}{2}"),
    (r"\frac12", "0.5"),
    (r"\frac{1}{-2}", r"-\frac12"),
    (r"1\frac{1}{2}", "3/2"),
    ("7 1/2", "7.5"),
    (r"$\dfrac{3}{4}$", "0.75"),
    (r"3 \cdot 4", "12"),
    (r"3 \times 10^{5}", "300000"),
    ("3 x 10^8", r"3\times 10^{8}"),
    ("1e5", "100000"),
    ("1e-05", "0.00001"),
    ("10,\\!000", "10000"),
    ("11,\\! 111,\\! 100", "11111100"),
    (r"10\,000", "10{,}000"),
    ("1,234,567", "1234567"),
    ("1 234 567", "1234567"),
    ("\N{MINUS SIGN}5", "-5"),
    (r"0.1\overline{6}", "1/6"),
    ("5!", "120"),
    (r"\binom{10}{3}", r"{10 \choose 3}"),
    (r"\lfloor 3.7 \rfloor", "3"),
    (r"\frac{2006!}{2004!}", r"2006 \cdot 2005"),
    # irrational
    (r"\sqrt{4}", "2"),
    (r"2√3", r"\sqrt{12}"),
    ("2*sqrt(3)", r"2\sqrt{3}"),
    (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}"),
    (r"\sqrt[3]{16}", r"2\sqrt[3]{2}"),
    ("8^{2/3}", "4"),
    (r"2\pi", "pi * 2"),
    (r"\ln 8", r"3\ln 2"),
    (r"\log 1000", "3"),
    (r"\log_2 8", "3"),
    (r"\sin 30^\circ", "0.5"),
    (r"e^{i\pi}", "-1"),
    ("i*i", "-1"),
    (r"\frac{1}{1+i}", r"\frac{1-i}{2}"),
    # expressions
    ("10-4n", "-4n + 10"),
    ("2(x+1)", "2x + 2"),
    ("xy^2", "y*y*x"),
    ("(x+1)^3", "x^3+3x^2+3x+1"),
    (r"\frac{x^2-1}{x-1}", "x+1"),
    ("1/x + 1/y", "(x+y)/(xy)"),
    (r"2\cos x\sin x", r"\sin 2x"),
    ("2*cos(theta)", r"2\cos\theta"),
    (r"\tan^{-1} x", r"\arctan x"),
    (r"\frac{1}{2}x+3", "1/2 x + 3"),
    ("2^{n+1}", r"2\cdot 2^n"),
    ("(-1)^n", "(-1)^{n+2}"),
    (r"\ln|x|+C", r"\ln x + C"),
    (r"\sin^2 x + C", r"-\cos^2 x + C"),
    (r"\frac{x^2}{2}+c", r"\frac{x^2}{2}+C"),
    (r"c - \sqrt{x}", r"-\sqrt{x} + C"),
    (r"\frac{cx+5c-1}{x+5}", r"-\frac{1}{x+5}+C"),
    (r"n = \{-6, 9\}", "n = 9, -6"),
    (r"F_n = \sum_{k=0}^{n} F_k a_k", r"F_n = \sum_{k=0}^{n} a_k F_k"),
    # names and equations
    ("x = 5", "5"),
    ("5 = x", "x = 5"),
    (r"x = \frac{10}{2} = 5", "5"),
    ("y = 2x+1", "2x + 1"),
    ("f(x) = x^2", "x^2"),
    (r"f^{-1}(x)=\frac{x-1}{2}", r"\frac{x-1}{2}"),
    ("y(t) = 2t", "y = 2t"),
    ("2x + 4y = 6", "x + 2y = 3"),
    ("x + 2y = 3", "2y = 3 - x"),
    (r"\frac{x^2}{4}+\frac{y^2}{9}=1", "9x^2+4y^2=36"),
    ("x=1, y=2", "y = 2 and x = 1"),
    ("x=1,y=2", "(1,2)"),
    ("(x,y)=(1,2)", "(1,2)"),
    ("[x=7, y=-3]", "x=7, y=-3"),
    ("x=y=4, z=2", "x=4, y=4, z=2"),
    # lists, sets, tuples
    ("1,2,3", "3, 1, 2"),
    ("1, 2, and 3", "1,2,3"),
    ("x = 2 or x = -2", "-2, 2"),
    ("x=-2,5", "5, -2"),
    (r"x=\pm 2", "-2, 2"),
    (r"\frac{-1\pm\sqrt{5}}{2}", r"\frac{-1-\sqrt5}{2}, \frac{-1+\sqrt5}{2}"),
    (r"\{1, 2\}", "2, 1"),
    (r"\{1\pm\sqrt{5},-2\}", r"-2, 1-\sqrt{5}, 1+\sqrt{5}"),
    (r"\left(3, \frac{\pi}{2}\right)", r"(3, \pi/2)"),
    ("(45,2),(-10,-9)", "(-10,-9), (45,2)"),
    ("{{1,2},{3}}", "{{3},{2,1}}"),
    (r"\langle 1,2 \rangle", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    (
        r"\left[\begin{array}{c}1\\2\end{array}\right]",
        r"\begin{pmatrix}1\\2\end{pmatrix}",
    ),
    (
        r"\frac12\begin{pmatrix}1\\2\end{pmatrix}",
        r"\begin{bmatrix}0.5\\1\end{bmatrix}",
    ),
    ("[[1,2],[3,4]]", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
    (r"\langle 2,-3\rangle", r"2\mathbf{i}-3\mathbf{j}"),
    (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "-2"),
    (r"\begin{cases}x=2\\y=3\end{cases}", "(2, 3)"),
    ("x=y=4, z=2", "(4, 4, 2)"),
    # sets of numbers
    ("]1,2]", "(1,2]"),
    (r"x \ne 2, 3", r"\mathbb{R}\setminus\{2,3\}"),
    (r"x \in [-2,7]", r"-2 \le x \le 7"),
    ("x > 3", r"(3,\infty)"),
    (r"\{x \mid x \geq 3\}", r"[3,\infty)"),
    (r"(3,\infty)\cup(-\infty,2)", "x<2 or x>3"),
    (r"x \ne 3", r"\mathbb{R}\setminus\{3\}"),
    (r"|x| < \sqrt{3}", r"(-\sqrt3,\sqrt3)"),
    ("2x > 6", "3 < x"),
    (r"y \ge 2x+1", r"2x - y + 1 \le 0"),
    (r"x>2: (2,\infty)", "x > 2"),
    # units and other signs
    (r"5\text{ cm}", "5 cm"),
    ("500 cm", "5 m"),
    (r"864 \mbox{ inches}^2", "864 square inches"),
    (r"9.8 \mathrm{~m} / \mathrm{s}^{2}", "9.8 m/s^2"),
    ("15 miles per hour", "15 mph"),
    ("2 hours and 30 minutes", "2.5 hours"),
    (r"\frac{270}7\text{ degrees}", r"38\frac{4}{7}^\circ"),
    (r"\$32,\!348", "$32,348.00"),
    ("0.28", r"28\%"),
    ("28 percent", r"28\%"),
    ("52_8", r"52_{\text{eight}}"),
    ("6:8", "3/4"),
    ("3 to 4", "3:4"),
    # units that one of them leaves out
    ("28%", "28"),
    ("5 cm", "5"),
    (r"\$18", "18"),
    (r"90^\circ", "90"),
    ("12 dollars", "12"),
    ("12 apples", "12"),
    # words
    (r"\text{Evelyn}", "evelyn"),
    (r"\text{(C)}", "C"),
    ("(C) 5", "C"),
    ("Yes.", r"\text{yes}"),
    ("no solution", r"\emptyset"),
    ("All real numbers", r"(-\infty,\infty)"),
    ("2:30 p.m.", "14:30"),
    ("2020-03-05", "March 5, 2020"),
    ("1 hour 30 minutes", "90 minutes"),
    ("5'6\"", "66 inches"),
    ("$8 per hour", r"\$8"),
    (r"\angle ABC = 45^\circ", "45 deg"),
    ("A, C", "C and A"),
    ("0.333...", "1/3"),
    ("3.5 million", "3,500,000"),
    ("2 dozen", "24"),
    ("2 dozens", "24"),
    ("five", "5"),
    (r"\text{one half}", r"\frac12"),
    (r"4^{\text{th}}", "4"),
    (r"12\% \text{ per year}", r"12\%"),
    ("(a,b) = (3,-2)", "b=-2, a=3"),
    # wrapping
    (r"\boxed{5}", "$5$"),
    ("**5**", r"\( 5 \)"),
]
# The gold accepts the prediction, not the other way round.
ONE_WAY = [
    ("5 m/s", "5"),
    ("9.8 m/s^2", "9.8"),
    (r"\frac{3}{5} \text{ or } 0.6", r"\frac35"),
    ("52_8", "42"),
    ("1/3", "0.333"),
    ("2/3", "0.67"),
    (r"\sqrt{2}", "1.414"),
    (r"\frac{\pi}{2} \text{ cm}", "1.571"),
    ("x = 5", "2x = 10"),
]
DIFFERENT = [
    ("5", "6"),
    ("0.333", "1/3"),
    ("3.14", r"\pi"),
    ("6/13", "0.5"),
    ("0.000001", "0.000002"),
    ("10^{-30}", "0"),
    ("10^{-300}", "10^{-301}"),
    (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}"),
    (r"\frac{1}{2004!}", r"\frac{1}{2006!}"),
    (r"2\frac13", r"\frac23"),
    ("42", "52_8"),
    ("52_8", "52_9"),
    ("52_8", "43"),
    ("5 cm", "5 m"),
    (r"\$5", r"5\%"),
    ("y = 5", "x = 5"),
    ("y = -2, 5", "x = -2, 5"),
    ("2x = 10", "x = 5"),
    ("x + y = 3", "x + y = 4"),
    ("x^2+y^2=4", "x^2+y^2=2"),
    ("x=1,y=2", "x=2,y=1"),
    ("x=1,y=2", "(2,1)"),
    (r"\log_6(216)=5", r"\log_6(216)=3"),
    ("x + 1", "x + 2"),
    ("x", "5"),
    (r"\sqrt{x^2}", "x"),
    ("|x|", "x"),
    ("x^2", "x^2+C"),
    ("x^3 + C", "x^2 + C"),
    (r"\sin x", r"\cos x"),
    ("(1, 2)", "(2, 1)"),
    ("(1, 2)", "[1, 2]"),
    ("(1, 2]", "(1, 2)"),
    ("(1, 2, 3)", "(1, 2)"),
    ("1, 2, 3", "1, 2"),
    ("1, 2", "1, 2, 3"),
    ("5 or 6", "5"),
    ("2", r"\pm 2"),
    (
        r"\begin{pmatrix}1&2\end{pmatrix}",
        r"\begin{pmatrix}1\\2\end{pmatrix}",
    ),
    (
        r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
        r"\begin{pmatrix}1&3\\2&4\end{pmatrix}",
    ),
    ("x > 3", r"x \ge 3"),
    ("x > 3", "x < 3"),
    ("y > 2x", "y < 2x"),
    (r"(3,\infty)", r"[3,\infty)"),
    (
        r"\{x \mid x \ge 9\}, \{x \mid x \ge 0\}",
        r"\{x \mid x \ge 3\}, [0,\infty)",
    ),
    ("4:3", "3:4"),
    ("yes", "no"),
    ("3.5 million", "3.5"),
    ("5 thousands", "5"),
    ("5 dozens", "5"),
    (r"(3, 0)", r"(\pm 3, 0)"),
    ("A, B", "A"),
    ("2k", "2c"),
    (r"2\mathbf{i}-3\mathbf{j}", r"\langle 2,3\rangle"),
    ("(A)", r"\text{(B)}"),
    ("2:30 pm", "2:30 am"),
    ("March 5", "March 6"),
    ("", "5"),
    ("1/0", "5"),
]
UNDECIDED = [
    ("52", "52_8"),
    ("52_8", "52"),
    ("5 squared", "5"),
    (r"5\text{ cubed}", "5"),
    ("5 factorial", "5"),
    ("5 modulo seven", "5"),
    ("5 halves", "5"),
    ("3 fourths", "3"),
    ("0.3 repeating", "0.3"),
    (r"2\text{ or more}", "2"),
    (r"2\text{ or less}", "2"),
    (r"2\text{ at least}", "2"),
    ("5 degrees below zero", "5"),
    ("0.3333", "0.333"),
    ("1/2x", "x/2"),
    ("f(x+1)", "f*x + f"),
    ("no solution", "5"),
    ("1, 2", "(1, 2)"),
    ("5", ""),
    ("5", "1/0"),
    (r"\sum_{k=1}^{n} k", r"\frac{n(n+1)}{2}"),
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
    assert compare(prediction, gold).verdict is Verdict.INVALID


@pytest.mark.parametrize(("prediction", "gold"), UNDECIDED)
def test_undecided_is_unknown_and_not_equal(prediction, gold):
    assert compare(prediction, gold).verdict is Verdict.UNKNOWN
    assert not is_equivalent(prediction, gold)


@pytest.mark.parametrize(
    ("prediction", "gold", "tier"),
    [
        ("Paris", r"\text{paris}", "text"),
        ("1/2", "0.5", "rational"),
        ("2(x+1)", "2x+2", "modular"),
        (r"\sqrt 8", r"2\sqrt 2", "numerical"),
    ],
)
def test_the_cheapest_tier_that_can_decide_does(prediction, gold, tier):
    comparison = compare(prediction, gold)
    assert comparison.tier == tier
    assert tier in TIERS
    assert 0 < comparison.seconds < 1


def test_a_mistake_of_ours_is_an_error_and_not_invalid(monkeypatch):
    def fail(*arguments):
        raise IndexError

    monkeypatch.setattr(comparison.equivalence, "decide", fail)
    assert compare("1", "2").verdict is Verdict.ERROR
    assert not is_equivalent("1", "1")


def test_decide_is_the_verdict_of_compare():
    assert comparison.decide("1/2", "0.5") is Verdict.VALID
    assert comparison.decide("1/2", "0.6") is Verdict.INVALID


@pytest.mark.parametrize("text", BOMBS)
def test_bombs_return_quickly(text):
    start = time.process_time()
    assert not is_equivalent(text, "1")
    assert not is_equivalent("1", text)
    assert not is_equivalent(f"{text}, {text}", f"{text}, 1")
    assert time.process_time() - start < 2


LARGE = [
    "factorial(10**9)",
    "(10^9)!",
    "10^{10^{10}}!",
    r"\binom{10^9}{5\cdot 10^8}",
    r"\sum_{k=1}^{10^9} k",
    r"\sum_{a=1}^{200}\sum_{b=1}^{200}\sum_{c=1}^{200} abc",
    r"\prod_{k=1}^{200} k^{1000}",
    "(x+1)^{10^{18}}",
    "7^{10^{18}}",
    "1.5^{10^{17}}",
    r"\sqrt{" * 40 + "2" + "}" * 40,
    "e^{" * 40 + "2" + "}" * 40,
    r"\sin(" * 40 + "10^{1000}" + ")" * 40,
    r"\arcsin 10^{500}",
    r"\tanh(10^{400})",
    "1e999",
    "(1\\pm 2)" * 100,
    r"\cup".join(f"({k},{k + 1})" for k in range(100)),
    "(9999!)" * 50,
    "5" + "!" * 400,
    r"\text{" * 1000,
    r"\begin{pmatrix}" + "1&" * 2000,
    "|" * 3000,
    "x:" * 500 + "1",
]


@pytest.mark.parametrize("text", LARGE)
def test_large_values_are_not_computed(text):
    start = time.process_time()
    for other in ("1", "x+1", r"(1,2)", "x>1", r"\sqrt 2", f"{text}+1"):
        compare(text, other)
        compare(other, text)
    assert time.process_time() - start < 2


def test_lists_of_lists_are_bounded():
    rows = [range(row, row + 30) for row in range(0, 900, 30)]
    one, other = (
        "{" + ",".join("{" + ",".join(map(str, r)) + "}" for r in part) + "}"
        for part in (rows, rows[::-1])
    )
    start = time.process_time()
    assert compare(one, other).verdict is not Verdict.INVALID
    assert time.process_time() - start < 1
    assert is_equivalent(one, one)


def _binary(inner):
    return st.builds(
        "{} {} {}".format, inner, st.sampled_from("+-*"), inner
    ) | st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner)


NUMBERS = st.integers(-99, 99).map(str)
EXPRESSIONS = st.recursive(
    NUMBERS | st.sampled_from(["x", "y", "x^2", "-x"]), _binary, max_leaves=8
)
POSITIVE = st.integers(1, 99)


def _functions(inner):
    name = st.sampled_from([r"\sin", r"\cos", r"\exp", r"\arctan"])
    return _binary(inner) | st.builds(r"{}({})".format, name, inner)


FUNCTIONS = st.recursive(
    st.integers(1, 9).map(str)
    | st.sampled_from(["x", r"\sqrt{2}", r"\pi", r"\frac{x}{3}"]),
    _functions,
    max_leaves=5,
)
VALUES = EXPRESSIONS | FUNCTIONS
ANSWERS = (
    VALUES
    | st.builds("({}, {})".format, VALUES, VALUES)
    | st.builds("[{}, {})".format, NUMBERS, NUMBERS)
    | st.builds(r"\{{{}, {}\}}".format, VALUES, VALUES)
    | st.builds("{}, {}".format, VALUES, NUMBERS)
    | st.builds("z = {}".format, VALUES)
    | st.builds("z > {}".format, NUMBERS)
    | st.builds(r"{} \pm \sqrt{{{}}}".format, NUMBERS, POSITIVE)
    | st.builds(r"\frac{{{}}}{{{}}}\text{{ cm}}".format, NUMBERS, POSITIVE)
)


@given(ANSWERS)
def test_reflexive(text):
    spaced = text.replace("*", r" \cdot ").replace(r"\frac", r"\dfrac")
    if "[" not in text:
        spaced = spaced.replace("(", r"\left( ").replace(")", r"\right)")
    assert is_equivalent(text, text)
    assert is_equivalent(spaced, f"${text}$")


@given(ANSWERS, ANSWERS)
def test_symmetric(one, other):
    assume(("cm" in one) == ("cm" in other))  # the gold decides about units
    first, second = compare(one, other), compare(other, one)
    assert first.verdict is second.verdict


@given(EXPRESSIONS, st.integers(1, 9))
def test_rewriting_keeps_the_value_and_adding_changes_it(text, number):
    assert is_equivalent(f"({text}) + {number} - {number}", text)
    assert is_equivalent(f"{number}({text})/{number}", text)
    assert compare(f"{text} + {number}", text).verdict is Verdict.INVALID


@given(FUNCTIONS, st.integers(1, 9))
def test_functions_are_never_equal_to_something_else(text, number):
    assert not is_equivalent(f"({text}) + 10^{{-{number}}}", text)
    assert compare(f"2({text})", f"({text}) + ({text})").verdict in (
        Verdict.VALID,
        Verdict.UNKNOWN,
    )


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=6, unique=True))
def test_the_order_matters_in_tuples_alone(numbers):
    text = ", ".join(map(str, numbers))
    turned = ", ".join(map(str, numbers[::-1]))
    assert is_equivalent(turned, text)
    assert is_equivalent(rf"\{{{turned}\}}", text)
    for opening, closing in ("()", "[]"):
        verdict = compare(
            opening + turned + closing, opening + text + closing
        ).verdict
        assert verdict is Verdict.INVALID
    assert compare(text, f"{text}, 100").verdict is Verdict.INVALID


@given(st.integers(-999, 999), st.integers(1, 99), st.integers(2, 9))
def test_fractions_and_their_corruptions(top, bottom, factor):
    gold = rf"\frac{{{top}}}{{{bottom}}}"
    assert is_equivalent(f"{top}/{bottom}", gold)
    assert is_equivalent(f"{top * factor}/{bottom * factor}", gold)
    wrong = compare(rf"\frac{{{top + 1}}}{{{bottom}}}", gold).verdict
    assert wrong is Verdict.INVALID
    if top and abs(top) != bottom:
        turned = compare(rf"\frac{{{bottom}}}{{{top}}}", gold).verdict
        assert turned is Verdict.INVALID


@given(
    st.text(
        alphabet=r"0123456789xyi+-*/^(){}[]=,.%$\ :|<>_!'&~°①²½" + "frac or",
        max_size=60,
    ),
    st.sampled_from(
        ["5", "x = 5", "1, 2", r"\frac{1}{2}", "28%", "x > 2", "(1, 2]", "5 cm"]
    ),
)
def test_compare_never_raises(text, gold):
    decided = (Verdict.VALID, Verdict.INVALID, Verdict.UNKNOWN)
    assert compare(text, gold).verdict in decided
    assert compare(gold, text).verdict in decided
    assert compare(text, text).verdict in (Verdict.VALID, Verdict.UNKNOWN)


@given(st.integers(1, 9999), st.integers(2, 997))
def test_floats_are_the_values_that_they_are_printed_for(top, bottom):
    gold = rf"\frac{{{top}}}{{{bottom}}}"
    printed = repr(top / bottom)
    assume("e" not in printed and len(printed) >= 17)
    assert is_equivalent(printed, gold)
    assert is_equivalent(f"{top / bottom:.15g}", gold)
    # One wrong digit, wherever it stands, makes another number.
    for place in (-3, -5, -9):
        digit = str((int(printed[place]) + 1) % 10)
        wrong = printed[:place] + digit + printed[place + 1 :]
        assert not is_equivalent(wrong, gold)
    assert not is_equivalent(printed[:9], gold)
    assert not is_equivalent(printed, rf"\frac{{{top + 1}}}{{{bottom}}}")


@given(st.integers(2, 10**6))
def test_floats_of_roots(number):
    root = number**0.5
    assume(root != int(root))
    assert is_equivalent(repr(root), rf"\sqrt{{{number}}}")
    assert not is_equivalent(repr(root), rf"\sqrt{{{number + 1}}}")
    assert not is_equivalent(f"{root:.9g}", rf"\sqrt{{{number}}}")


COMMANDS = r"""\sim \simeq \doteq \approx \cong \asymp \equiv \propto \to
\mapsto \rightarrow \Rightarrow \iff \leftrightarrow \mid \nmid \parallel
\perp \ne \neq \lt \gt \le \ge \ll \gg \prec \succ \in \notin \ni \subset
\supset \subseteq \vdash \models \lesssim \gtrsim \triangleq \stackrel
\overset \not \neg \pm \mp \star \diamond \oplus \otimes \wedge \vee \cup \cap
\setminus \circ \bmod \mod \pmod \frac \sqrt \choose \over \underset \angle
\hbar \imath \nabla""".split()


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_between_two_numbers_is_dropped(command):
    for text in (f"5 {command} 6", f"5 {command}{{6}}", f"5{command}6"):
        for gold in ("5", "6", "30", "11", "56"):
            if command == r"\bmod" and gold == "5":
                continue  # five modulo six
            assert not is_equivalent(text, gold), (text, gold)
    assert not is_equivalent(f"{command}{{5}}{{6}}", "30")
