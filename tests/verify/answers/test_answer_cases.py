"""Every case of `tests/cases/answers.jsonl`: inputs of public reports and more.

A case has an `id`, a `kind`, an `input`, what is `expected` and `why`:

    extraction   {"text"}               a gold that the answer equals, or null
    equivalence  {"prediction", "gold"} whether the prediction is accepted
    groups       {"answers"}            the groups, by the places of the answers
"""

import itertools
import json
import pathlib

import pytest

from jaxlrm.verify import extract_answer, grade, is_equivalent
from jaxlrm.verify.answers.comparison import compare
from jaxlrm.verify.answers.grading import group_answers
from jaxlrm.verify.verdict import Verdict

PATH = pathlib.Path(__file__).parents[2] / "cases" / "answers.jsonl"
CASES = [json.loads(line) for line in PATH.read_text("utf-8").splitlines()]


def _cases(kind):
    return [
        pytest.param(case["input"], case["expected"], id=case["id"])
        for case in CASES
        if case["kind"] == kind
    ]


def test_every_case_has_a_kind_that_is_tested():
    kinds = {case["kind"] for case in CASES}
    assert kinds == {"extraction", "equivalence", "groups"}
    identifiers = [case["id"] for case in CASES]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize(("given", "expected"), _cases("extraction"))
def test_extraction(given, expected):
    answer = extract_answer(given["text"])
    if expected is None:
        assert answer is None
        assert not grade(given["text"], "5")
    else:
        assert answer == expected or is_equivalent(answer, expected)


@pytest.mark.parametrize(("given", "expected"), _cases("equivalence"))
def test_equivalence(given, expected):
    verdict = compare(given["prediction"], given["gold"]).verdict
    assert verdict is not Verdict.ERROR
    assert (verdict is Verdict.VALID) is expected


@pytest.mark.parametrize(("given", "expected"), _cases("groups"))
def test_groups(given, expected):
    answers = given["answers"]
    wanted = {frozenset(answers[i] for i in group) for group in expected}
    for order in itertools.permutations(answers):
        groups = group_answers(order)
        found = {
            frozenset(a for a, g in zip(order, groups, strict=True) if g == k)
            for k in set(groups)
        }
        assert found == wanted
