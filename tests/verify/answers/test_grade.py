"""Grading whole completions, and groups of equal answers."""

import itertools
import random
import time

import pytest

from jaxlrm.verify import grade
from jaxlrm.verify.answers.grading import PAIRS, group_answers, group_names


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("So it is \\boxed{18}.", "18"),
        ("So it is \\boxed{18}.", "9 * 2 = 18 dollars\n#### 18"),
        ("18", "She earns $18, hence \\boxed{18}."),
        ("The answer is 1,234.", "a\n#### 1,234"),
    ],
)
def test_grade_accepts(text, gold):
    assert grade(text, gold) is True


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("So it is \\boxed{17}.", "9 * 2 = 18\n#### 18"),
        ("", "18"),
        ("\\boxed{18", "18"),
        ("The answer is 9.", "9 * 2 = 18\n#### 18"),
    ],
)
def test_grade_refuses(text, gold):
    assert grade(text, gold) is False


def test_grade_wants_text():
    with pytest.raises(TypeError, match="gold is 18"):
        grade("18", 18)


def _partition(answers):
    """The groups as sets of spellings, in the order of their numbers."""
    groups = group_answers(answers)
    return [
        {a for a, g in zip(answers, groups, strict=True) if g == group}
        for group in range(max(groups, default=-1) + 1)
    ]


@pytest.mark.parametrize(
    "answers",
    [
        ["5 cm", "5", "7"],
        ["5 cm", "5", "5 m", "500 cm"],
        ["0.333", "1/3", "0.3333"],
        ["2, 3", "3, 2", "(2, 3)", "(3, 2)"],
        ["x = 5", "5", "y = 5"],
        ["28", "28%", "0.28"],
        ["0.5", r"\frac{1}{2}", "0.50"],
    ],
)
def test_groups_do_not_depend_on_the_order(answers):
    wanted = _partition(answers)
    names = group_names(answers, group_answers(answers))
    for order in itertools.permutations(answers):
        assert _partition(order) == wanted
        assert group_names(order, group_answers(order)) == names


def test_equal_answers_share_a_group():
    answers = ["0.5", r"\frac{1}{2}", "0.50", "1/2", "50%", "2"]
    assert group_answers(answers) == [0, 0, 0, 0, 0, 1]


def test_a_name_is_the_most_frequent_spelling():
    answers = ["0.50", "1/2", "0.50", "3"]
    groups = group_answers(answers)
    assert group_names(answers, groups) == ["0.50", "3"]


def test_no_answers():
    assert group_answers([]) == []
    assert group_names([], []) == []


def test_groups_want_text():
    with pytest.raises(TypeError, match=r"answers\[1\] is None"):
        group_answers(["1", None])


def test_numbers_are_grouped_without_comparisons(monkeypatch):
    monkeypatch.setattr("jaxlrm.verify.answers.grading.is_equivalent", None)
    answers = [str(k) for k in range(64)] + [f"{k}.0" for k in range(64)]
    assert max(group_answers(answers)) == 63


def test_comparisons_are_bounded(monkeypatch):
    asked = 0

    def count(one, other):
        nonlocal asked
        asked += 1
        return False

    monkeypatch.setattr("jaxlrm.verify.answers.grading.is_equivalent", count)
    group_answers([f"word {k}" for k in range(500)])
    assert asked == PAIRS


def test_hostile_answers_cost_little():
    rng = random.Random(0)
    bombs = ["9" * 10**6, "{" * 10**5, "((" * 300 + "1", "9^9^9^9", "x" * 5000]
    bombs += [f"\\sqrt{{{rng.randint(2, 10**6)}}}" for _ in range(59)]
    start = time.perf_counter()
    groups = group_answers(bombs)
    assert len(groups) == 64
    assert time.perf_counter() - start < 10
