import time
from fractions import Fraction

import pytest

from jaxlrm.verify.answers import units
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.normal import normal_form
from jaxlrm.verify.answers.syntax import parse_answer, tokens
from tests.verify.bombs import BOMBS

X, Y = ("v", "x"), ("v", "y")
ONE, TWO, THREE = (("n", number, None) for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1.50", ("n", Fraction(3, 2), 2)),
        ("1e3", ("n", Fraction(1000), None)),
        ("2x^2", ("*", TWO, ("^", X, TWO))),
        ("x - y", ("+", X, ("-", Y))),
        ("-x^2", ("-", ("^", X, TWO))),
        (r"\frac12x", ("*", ("/", ONE, TWO), X)),
        (r"2\frac13", ("+", TWO, ("/", ONE, THREE))),
        (r"2\frac{x}{3}", ("*", TWO, ("/", X, THREE))),
        ("2 1/3", ("+", TWO, ("/", ONE, THREE))),
        (r"0.\bar{3}", ("n", Fraction(1, 3), None)),
        (r"\sin 2x", ("f", "sin", (("*", TWO, X),))),
        (r"\sin(x) y", ("*", ("f", "sin", (X,)), Y)),
        (r"\sin^2 x", ("^", ("f", "sin", (X,)), TWO)),
        (r"\sin^{-1} x", ("f", "arcsin", (X,))),
        (r"\log_2 x", ("f", "log", (X, TWO))),
        (r"\sqrt[3]{x}", ("f", "root", (X, THREE))),
        ("|x|", ("f", "abs", (X,))),
        ("x!", ("f", "factorial", (X,))),
        (r"\pm x", ("pm", "+", None, X)),
        ("(1, 2]", ("group", "(]", (ONE, TWO))),
        (r"\{1, 2\}", ("set", (ONE, TWO))),
        ("1 or 2", ("list", (ONE, TWO), frozenset(("or",)))),
        ("x = 1", ("rel", ("=",), (X, ONE))),
        (r"1 < x \le 2", ("rel", ("<", "<="), (ONE, X, TWO))),
        ("1:2", ("ratio", ONE, TWO)),
        ("12_3", ("base", "12", 3)),
        ("2 cm", ("unit", TWO, units.single("cm"))),
        (r"\$2", ("unit", TWO, units.single("¤"))),
        ("2%", ("unit", TWO, units.single("%"))),
        (r"\begin{pmatrix}1&2\end{pmatrix}", ("matrix", ((ONE, TWO),))),
        (
            r"\{x \mid x = 1\}",
            ("builder", X, ("rel", ("=",), (X, ONE))),
        ),
        ("y(t) = 1", ("rel", ("=",), (("v", "y(t)"), ONE))),
        ("10 \\pmod 7", ("f", "pmod", (THREE, ("n", 7, None)))),
    ],
)
def test_trees(text, tree):
    assert parse_answer(normal_form(text)) == tree


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3 +",
        "3 4",
        "x2",
        "(1",
        "1.2.3",
        "1/2x",
        "a word or two",
        "9_8",
        "5_99",
        r"\int x",
        r"\frac{1}",
        r"\begin{pmatrix}1 & 2 \\ 3\end{pmatrix}",
        "\N{CIRCLED DIGIT ONE}",
        "\N{ARABIC-INDIC DIGIT THREE}",
        "1" * 2000,
        "(" * 60 + "1" + ")" * 60,
    ],
)
def test_outside_the_grammar(text):
    with pytest.raises(NotParsed):
        parse_answer(text)


def test_budgets(monkeypatch):
    monkeypatch.setattr(tokens, "TOKENS", 5)
    with pytest.raises(NotParsed, match="tokens"):
        parse_answer("1+1+1+7")
    monkeypatch.undo()
    with pytest.raises(NotParsed, match="items"):
        parse_answer(",".join("1" * 100))


@pytest.mark.parametrize("text", BOMBS)
def test_bombs_take_no_time(text):
    start = time.process_time()
    try:
        parse_answer(normal_form(text))
    except NotParsed:
        pass
    assert time.process_time() - start < 1
