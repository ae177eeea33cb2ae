"""Problems drawn from families."""

from __future__ import annotations

import random
import re

import pytest

from jaxlrm import extend
from jaxlrm.evaluate import drawn
from jaxlrm.families import countdown


def test_sample_dataset_by_level():
    examples = drawn.sample_dataset(["gcd", "linear@7", "gcd@6"], 30)
    levels = [(e.id.split("-")[0], e.level) for e in examples]
    assert [level for name, level in levels if name == "gcd"] == [
        1,
        2,
        3,
        4,
        5,
        1,
        2,
        3,
        4,
        5,
    ]
    assert {pair for pair in levels if pair[0] != "gcd"} == {
        ("linear@7", 7),
        ("gcd@6", 6),
    }
    every = drawn.sample_dataset(["all@6"], len(extend.names()))
    assert [e.task for e in every] == extend.names()
    with pytest.raises(ValueError, match="unknown level '8' in 'gcd@8'"):
        drawn.sample_dataset(["gcd@8"], 1)


def test_sample_dataset_shares_the_number_and_repeats_itself():
    examples = drawn.sample_dataset(["linear", "arithmetic"], 21)
    names = ("linear", "arithmetic")
    counts = [sum(e.task == name for e in examples) for name in names]
    assert counts == [11, 10]
    for field in ("id", "problem"):
        assert len({getattr(e, field) for e in examples}) == 21
    assert examples[:7] == drawn.sample_dataset(["linear", "arithmetic"], 7)
    assert examples != drawn.sample_dataset(["linear", "arithmetic"], 21, 1)
    for example in examples:
        assert extend.recognise(example.problem)[0].name == example.task


@pytest.mark.parametrize("name", ["game24", "game24@3"])
def test_sample_dataset_draws_hands_that_training_does_not(name):
    hands = {hand(e.problem) for e in drawn.sample_dataset([name], 40)}
    assert len(hands) > 20
    assert hands <= countdown.unseen_hands()
    rng = random.Random(0)
    family = extend.get("game24")
    trained = {hand(family.sample(rng).text) for _ in range(200)}
    assert not trained & countdown.unseen_hands()


def hand(problem: str) -> tuple[int, ...]:
    numbers = [int(number) for number in re.findall("[0-9]+", problem)]
    numbers.remove(countdown.TARGET)
    return tuple(sorted(numbers))


def test_sample_dataset_draws_no_problem_twice():
    found = drawn.sample_dataset(["factors@1"], 197)
    assert len({example.problem for example in found}) == 197
    with pytest.raises(ValueError, match="factors@1 at level 1 .* most 197 p"):
        drawn.sample_dataset(["factors@1"], 240)


@pytest.mark.parametrize(
    ("names", "number"), [([], 5), (["lin"], 5), (["linear"], 0)]
)
def test_sample_dataset_refuses(names, number):
    with pytest.raises(ValueError):
        drawn.sample_dataset(names, number)
