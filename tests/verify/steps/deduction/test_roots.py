from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.steps.deduction.roots import (
    DEGREE,
    dense,
    real_roots,
    same_roots,
    solutions,
)


def _product(roots):
    result = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *result]
        scaled = [-root * number for number in result] + [Fraction(0)]
        result = [a + b for a, b in zip(shifted, scaled, strict=True)]
    return result


ROOTS = st.lists(st.integers(-5, 5).map(Fraction), min_size=1, max_size=5)


@given(ROOTS, ROOTS)
def test_each_root_once(roots, excluded):
    found = solutions(_product(roots), [_product(excluded)])
    wanted = set(roots) - set(excluded)
    assert found == _product(sorted(wanted))
    assert real_roots(found) == len(wanted)


@given(ROOTS, ROOTS)
def test_same_roots(one, other):
    sets = [solutions(_product(roots), []) for roots in (one, other)]
    assert same_roots(*sets) is (set(one) == set(other))


def test_complex_roots_are_left_open():
    square = [Fraction(1), Fraction(0), Fraction(1)]  # x^2 + 1
    assert real_roots(square) == 0
    assert same_roots(square, [Fraction(1)]) is None


def test_budgets():
    with pytest.raises(NotParsed):
        dense({(("x", DEGREE + 1),): 1}, "x")
    with pytest.raises(NotParsed):
        dense({(("y", 1),): 1}, "x")
