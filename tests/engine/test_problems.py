"""Problems, read for a model."""

from __future__ import annotations

import copy

import pytest

from jaxlrm import testing
from jaxlrm.config import SearchConfig
from jaxlrm.engine.problems import read_problem
from tests import formulas

EQUATION = "Solve 2*x + 4 = 10 for x."


def read(problem: str, *, begun=(), trained_on=(), room=100):
    text = copy.copy(testing.text())
    text.tasks = tuple(trained_on)
    return read_problem(
        *(problem, begun, SearchConfig(), text, room), [formulas.__name__]
    )


def test_a_prompt_asks_the_problem_and_goes_on_from_its_steps():
    found = read(EQUATION, begun=["2*x = 6"])
    assert testing.text().decode(found.prompt).endswith(".\n2*x = 6\n")
    assert found.prompt[: -len("2*x = 6\n")] == read(EQUATION).prompt
    assert (found.text, found.begun, found.note) == (EQUATION, ("2*x = 6",), "")


@pytest.mark.parametrize(
    ("trained_on", "trained", "outside"),
    [
        ((), False, False),
        (("equations",), True, False),
        (("sums",), False, True),
    ],
)
def test_what_a_model_was_trained_on(trained_on, trained, outside):
    found = read(EQUATION, trained_on=trained_on)
    assert found.statement == "2*x + 4 = 10"
    assert (found.trained, found.outside) == (trained, outside)


@pytest.mark.parametrize(
    ("problem", "note"),
    [
        (" \n", "the problem is empty"),
        ("\ud800", "the problem is no text: "),
        ("1" * 100, "has 101 tokens and this model has room for 100; shorten"),
    ],
)
def test_a_problem_that_cannot_be_read_says_why(problem, note):
    assert note in read(problem).note
