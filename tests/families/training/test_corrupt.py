import json
import random

import pytest

from jaxlrm import extend
from jaxlrm.families import NAMES
from jaxlrm.families.training import corrupt
from jaxlrm.verify import Verdict
from jaxlrm.verify.steps import check_chain

FAMILIES = sorted({*NAMES} - {"programs"})


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("corrupt") / "chains.jsonl"
    path.write_text('{"kept": true}\n')
    done = []
    written = corrupt.sample(
        FAMILIES, path, problems=240, seed=3, report=done.append
    )
    first, *rest = map(json.loads, path.read_text().splitlines())
    assert first == {"kept": True}
    assert len(rest) == written
    assert done == [240]
    return rest


def test_only_the_last_step_is_wrong(lines):
    assert len(lines) > 220
    for line in lines:
        *right, wrong = line["labels"]
        assert wrong == 0.0
        assert right == [1.0] * (len(line["steps"]) - 1)


def test_the_engine_refuses_the_last_step_and_no_other(lines):
    for line in lines[:60]:
        statement = extend.recognise(line["problem"]).statement
        steps = line["steps"]
        for end in range(1, len(steps)):
            assert check_chain(statement, steps[:end]) is Verdict.VALID
        assert check_chain(statement, steps) is not Verdict.VALID or (
            extend.recognise(line["problem"]).family.dead_ends
        )


def test_every_family_is_among_them(lines):
    names = {extend.recognise(line["problem"]).family.name for line in lines}
    assert names == set(FAMILIES)


@pytest.mark.parametrize(
    "step", ["1234*567 = 617000 + 1234*67", "x**2 - 3", "= 77", "a + b", "9"]
)
def test_a_change_is_a_small_one(step):
    rng = random.Random(0)
    seen = set()
    for _ in range(200):
        new = corrupt.change(rng, step)
        assert len(new) == len(step)
        different = [
            i for i, (a, b) in enumerate(zip(step, new, strict=True)) if a != b
        ]
        assert 1 <= len(different) <= 2
        assert new.count("**") == step.count("**")
        seen.add(new)
    assert step not in seen


def test_what_cannot_be_changed_stays():
    assert corrupt.change(random.Random(0), "no number") == "no number"
