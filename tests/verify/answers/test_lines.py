import operator
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm.verify.answers import exact
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.lines import parse
from tests.verify.bombs import BOMBS


@pytest.mark.parametrize("text", BOMBS)
def test_bombs_are_refused_quickly(text):
    start = time.process_time()
    with pytest.raises(NotParsed):
        parse(text)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3 +",
        "3 4",
        "x2",
        "(1+2]",
        "a word",
        "1.2.3",
        "=5",
        "2^x",
        "4^(1/2)",
    ],
)
def test_outside_the_grammar(text):
    with pytest.raises(NotParsed):
        parse(text)


def test_parse_keeps_the_names_that_cancel():
    line = parse("x - x = 0")
    assert line.sides == (0, 0)
    assert line.names == {"x"}
    assert parse("1/3").sides == (Fraction(1, 3),)
    with pytest.raises(ZeroDivisionError):
        parse("1/(x - x)")


def test_powers_of_units_have_no_size():
    assert parse("(-1)^" + "9" * 900).sides == (-1,)
    assert parse("1^(10^900)").sides == (1,)


def _computed(inner):
    """Pairs of a text and its value."""
    operations = {"+": operator.add, "-": operator.sub, "*": operator.mul}
    return st.builds(
        lambda a, sign, b: (
            f"({a[0]} {sign} {b[0]})",
            operations[sign](a[1], b[1]),
        ),
        inner,
        st.sampled_from(list(operations)),
        inner,
    )


@given(
    st.recursive(
        st.fractions(-99, 99, max_denominator=9).map(lambda q: (f"({q})", q)),
        _computed,
        max_leaves=12,
    )
)
def test_arithmetic_agrees_with_python(pair):
    text, value = pair
    assert parse(text).sides == (value,)


def test_budgets_hold_for_values(monkeypatch):
    monkeypatch.setattr(exact, "WORK", 10)
    with pytest.raises(NotParsed, match="products"):
        parse("(a+b+c+d)*(e+f+g+h)")
