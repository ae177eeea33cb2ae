import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm.verify.answers.normal import closes_at_end, normal_form, squeeze


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("  5 ", "5"),
        ("$5$.", "5"),
        ("$$5$$", "5"),
        (r"\[ 5 \]", "5"),
        (r"\boxed{5}", "5"),
        ("**5**", "5"),
        ("$18", "¤18"),
        (r"\$ 1600", "¤ 1600"),
        ("$-3$ and $5$", "-3 and 5"),
        (r"\left( 3, \dfrac{\pi}{2} \right)", r"( 3, \frac{\pi}{2} )"),
        (r"\left. x \right|", "x |"),
        (r"90^{\circ}", "90°"),
        (r"90^\circ", "90°"),
        (r"11,\! 111,\! 100", "11111100"),
        ("10{,}000", "10000"),
        (r"10\,000", "10000"),
        (r"2\,x", "2 x"),
        (r"f^{\prime}(x)", "f'(x)"),
        (r"\mathbf{v} \leq \mathbf{w}", r"v \le w"),
        (r"5 {\rm cm}", r"5 \text{cm}"),
        (r"\frac{\text{km}}{\text{h}}", "km/h"),
        (
            r"\begin{array}{rr}1 & 2\end{array}",
            r"\begin{array}1 & 2\end{array}",
        ),
        ("x² ≤ ½", r"x^{2} \le \frac{1}{2}"),
        ("a₁₂", "a_{12}"),
        ("𝑥 − 𝟓", "x - 5"),
        ("（1，2）", "(1,2)"),
        (r"\text{Evelyn.}", "Evelyn"),
        (r"\text{The answer is } 5", "5"),
        ("The solution set is {1, 2}", "{1, 2}"),
    ],
)
def test_normal_form(text, form):
    assert normal_form(text) == form


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2 x + 1", "2x+1"),
        (r"5\text{ cm}", "5 cm"),
        ("No Solution", "no solution"),
        (r"2 \cdot 3", "2*3"),
    ],
)
def test_squeeze_ignores_layout(one, other):
    assert squeeze(normal_form(one)) == squeeze(normal_form(other))


def test_squeeze_keeps_the_case_of_letters():
    assert squeeze("X") != squeeze("x")
    assert squeeze("2X + 1") != squeeze("2x + 1")


def test_closes_at_end():
    assert closes_at_end("(1, (2))", 0)
    assert not closes_at_end("(1), (2)", 0)
    assert closes_at_end(r"\{1\}", 1)


@given(st.text(max_size=200))
def test_forms_are_stable(text):
    form = normal_form(text)
    assert form == form.strip()
    squeeze(form)


@pytest.mark.parametrize(
    "text",
    [
        "$" * 10**6,
        "(" * 10**6,
        r"\left" * 10**5,
        r"\text{" * 10**5,
        ",\\!" * 10**5,
        " " * 10**6,
        "{," * 10**5,
        "²" * 10**5,
        r"\frac{\text{" * 10**4,
    ],
)
def test_hostile_text_takes_linear_time(text):
    start = time.process_time()
    for part in (text, text[:16000]):
        squeeze(normal_form(part))
    assert time.process_time() - start < 1
