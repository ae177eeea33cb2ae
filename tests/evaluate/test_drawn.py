"""Problems drawn from any registered families."""

from __future__ import annotations

import pytest

from jaxlrm import extend
from jaxlrm.evaluate import drawn
from tests import formulas

NAMES = [family.name for family in (formulas.Sums, formulas.Equations)]


def test_families_take_turns_and_repeat_no_problem():
    examples = drawn.sample_dataset(NAMES, 11)
    assert [e.task for e in examples] == (6 * NAMES)[:11]
    assert len({e.problem for e in examples}) == 11
    assert [e.level for e in examples[::2]] == [1, 2, 3, 4, 5, 1]
    assert examples[:3] == drawn.sample_dataset(NAMES, 3)
    for example in examples:
        reading = extend.recognise(example.problem, [formulas.__name__])
        assert reading.family.name == example.task


@pytest.mark.parametrize(
    ("names", "number"), [([], 5), (["lin"], 5), (NAMES, 0), (["sums@8"], 1)]
)
def test_what_cannot_be_drawn(names, number):
    with pytest.raises(ValueError):
        drawn.sample_dataset(names, number)
