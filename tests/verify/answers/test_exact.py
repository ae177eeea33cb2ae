from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm.verify.answers.exact import NotParsed, evaluate, substitute
from jaxlrm.verify.answers.lines import parse

NUMBERS = st.fractions(max_denominator=20).filter(lambda n: abs(n) < 50)


@given(NUMBERS, NUMBERS)
def test_a_value_at_a_point_is_that_of_one_name_after_another(x, y):
    value = parse("x^3*y - 2xy^2 + 7/3").sides[0]
    found = evaluate(value.top, {"x": x, "y": y})
    assert found == substitute(substitute(value, "x", x), "y", y)


def test_a_power_of_too_many_bits_is_refused():
    value = parse("x^32").sides[0]
    with pytest.raises(NotParsed, match="bits"):
        evaluate(value.top, {"x": Fraction(3**400, 7)})
