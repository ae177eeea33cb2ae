"""A tokenizer of the families writes all that they do."""

from __future__ import annotations

import random
import re

import pytest

from jaxlrm import extend
from jaxlrm.families import NAMES
from jaxlrm.text import Text, train_tokenizer

DIGITS = "0123456789"


@pytest.fixture(scope="module")
def families() -> Text:
    """Trained on the families, as a model's tokenizer is."""
    drawn = [problem for level in (1, 3, 5) for problem in draw(level, 10)]
    texts = [part for p in drawn for part in (p.text, *p.steps)]
    return train_tokenizer(texts, 256, NAMES)


def draw(level: int, count: int) -> list[extend.Problem]:
    rng = random.Random(level)
    return [
        extend.get(name).sample(rng, level)
        for name in NAMES
        for _ in range(count)
    ]


@pytest.mark.parametrize("level", extend.LEVELS)
def test_problems_and_steps_of_all_families_come_back(families, level):
    for problem in draw(level, 5):
        prompt = families.encode_prompt(problem.text)
        assert families.decode(prompt) == problem.text + "\n"
        chain = families.step.join(problem.steps)
        assert families.decode(families.encode(chain)) == chain
        for step in problem.steps:
            assert families.decode_step(families.encode(step)) == step
            pieces = [families.decode([i]) for i in families.encode(step)]
            assert "".join(pieces) == step
            for piece in pieces:
                assert len(piece) == 1 or not set(piece) & set(DIGITS)


def test_no_token_mixes_digits_or_brackets_with_other_text(families):
    pieces = [families.decode([i]) for i in range(families.vocab_size)]
    for piece in pieces:
        assert len(piece) < 2 or not set(piece) & set(DIGITS + "()[]\n"), piece
    assert len(set(pieces) - {""}) == families.vocab_size - 3


@pytest.mark.parametrize(
    "step",
    [
        "2 × 2 × 3",
        "= 690200 + 69020 + 986*5",
        "gcd(8, 186 - 160)",
        "3*x**2 - 8 = 0",
        "(-7)/4 - -3",
    ],
)
def test_operators_are_tokens(families, step):
    pieces = [families.decode([i]) for i in families.encode(step)]
    expected = re.findall(r"gcd| [-+*/×=] |= |, |\*\*|.", step)
    assert pieces == expected


def test_unspaced_signs_are_known(families):
    assert families.decode(families.encode("2×3 × 5×")) == "2×3 × 5×"
