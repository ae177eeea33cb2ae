"""Steps after the first ones of right chains."""

from __future__ import annotations

import json

import pytest

from jaxlrm import extend
from jaxlrm.engine import loading
from jaxlrm.families.training import next_step
from jaxlrm.verify import Verdict
from jaxlrm.verify.steps import check_answer, check_chain

pytestmark = pytest.mark.slow

FAMILIES = ("linear", "arithmetic", "gcd")


def share(lines, family):
    """Of the steps written for problems of a family, those that are right."""
    lines = [
        line
        for line in lines
        if extend.recognise(line["problem"]).family.name == family
    ]
    right = sum(line["count"] for line in lines if line["labels"][-1])
    return right / sum(line["count"] for line in lines)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("next") / "chains.jsonl"
    path.write_text('{"kept": true}\n')
    done = []
    with loading.load("mini-xs") as engine:
        written = next_step.sample(
            engine,
            FAMILIES,
            path,
            problems=24,
            branches=8,
            temperature=1.0,
            chains=4,
            seed=7,
            report=done.append,
        )
    first, *rest = map(json.loads, path.read_text().splitlines())
    assert first == {"kept": True}
    assert len(rest) == written.chains
    assert written.right == {name: share(rest, name) for name in FAMILIES}
    assert done == [24]
    return rest


def test_a_chain_is_right_up_to_the_step_that_the_model_wrote(lines):
    for line in lines:
        *before, last = line["labels"]
        assert before == [None] * (len(line["steps"]) - 1)
        assert last in (0.0, 1.0)
        statement = extend.recognise(line["problem"]).statement
        check = check_answer if line["ended"] else check_chain
        verdict = check(statement, line["steps"])
        assert (verdict is Verdict.VALID) == bool(last)


def test_siblings_differ_and_share_their_beginning(lines):
    groups = {}
    for line in lines:
        groups.setdefault(line["problem"], []).append(line)
    assert len(groups) > 20
    for group in groups.values():
        assert len(group) <= 4
        assert sum(line["count"] for line in group) <= 8
        assert len({tuple(line["steps"][:-1]) for line in group}) == 1
        ends = {(line["steps"][-1], line["ended"]) for line in group}
        assert len(ends) == len(group)


def test_the_model_reads_what_it_goes_on_from(lines):
    """A model that did not would hardly ever be right after a few steps."""
    late = [line for line in lines if len(line["steps"]) > 1]
    right = sum(line["count"] for line in late if line["labels"][-1])
    assert right > 0.15 * sum(line["count"] for line in late)
