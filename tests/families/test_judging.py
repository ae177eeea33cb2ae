"""What the worker processes say about problems of the families."""

from __future__ import annotations

import json
import pathlib
import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxlrm import extend
from jaxlrm.extend import is_complete
from jaxlrm.families import NAMES
from jaxlrm.verify import judging
from jaxlrm.verify.steps import check_solution
from jaxlrm.verify.verdict import Verdict, combine

CASES = pathlib.Path(__file__).parents[1] / "cases" / "chains.jsonl"
CHAINS = list(map(json.loads, CASES.read_text("utf-8").splitlines()))
UNKNOWN, VALID, INVALID = Verdict.UNKNOWN, Verdict.VALID, Verdict.INVALID


def judge(problem, chain, step, ended=False, trained=False, first=None):
    """`(verdict, doubt, answer)` of a step, as the host asks for it."""
    reading = extend.recognise(problem)
    verdict, doubt, answer = judging.judge(
        problem,
        reading and reading.statement,
        chain,
        step,
        len(chain) if first is None else first,
        ended,
        True,
        trained,
        "\n\n".join([*chain, step]),
    )
    return Verdict(verdict), doubt, answer


def judge_chain(problem, steps, trained=False):
    """The verdict on a chain of steps, as the host combines those on each."""
    found = [
        judge(problem, steps[:i], step, i + 1 == len(steps), trained)
        for i, step in enumerate(steps)
    ]
    return combine(verdict for verdict, _, _ in found)


# --- Every line of a step is judged -----------------------------------------


@pytest.mark.parametrize("case", CHAINS, ids=lambda case: case["id"])
def test_cases(case):
    verdict = judge_chain(case["problem"], case["steps"])
    assert verdict.name in case["expected"], case["why"]


def grouped(lines, cuts):
    """Lines as steps: a new one begins where `cuts` says so."""
    steps = [[lines[0]]]
    for line, cut in zip(lines[1:], cuts, strict=True):
        if cut:
            steps.append([])
        steps[-1].append(line)
    return ["\n".join(step) for step in steps]


def changed(line, rng):
    """The line with another digit, sign or name in one place."""
    places = [m.start() for m in re.finditer(r"[0-9+*-]", line)]
    if not places:
        return line + " 7"
    place = rng.choice(places)
    others = "0123456789" if line[place].isdigit() else "+-*"
    other = rng.choice([c for c in others if c != line[place]])
    return line[:place] + other + line[place + 1 :]


@pytest.mark.parametrize("name", [n for n in NAMES if n != "programs"])
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(data=st.data())
def test_the_verdict_on_a_chain_does_not_depend_on_its_steps(name, data):
    """A wrong line is found in any grouping, and a right one passes."""
    rng = random.Random(data.draw(st.integers(0, 10**6)))
    problem = extend.get(name).sample(rng, rng.choice((1, 2)))
    lines = list(problem.steps)
    statement = extend.recognise(problem.text).statement
    cuts = [data.draw(st.booleans()) for _ in lines[1:]]
    steps = grouped(lines, cuts)
    assert check_solution(statement, lines) is VALID
    for trained in (False, True):
        assert judge_chain(problem.text, steps, trained) is VALID
    wrong = data.draw(st.integers(0, len(lines) - 1))
    lines[wrong] = changed(lines[wrong], rng)
    expected = check_solution(statement, lines)
    steps = grouped(lines, cuts)
    unread = expected is Verdict.UNKNOWN and is_complete(statement)
    trained = judge_chain(problem.text, steps, True)
    assert trained is (Verdict.INVALID if unread else expected)
    if expected is not VALID:
        assert judge_chain(problem.text, steps) is not VALID
    _, _, answer = judge(problem.text, steps[:-1], steps[-1], True)
    if answer is None or not judging.is_correct(
        problem.text, name, answer, problem.answer
    ):
        assert judge_chain(problem.text, steps) is not VALID


@pytest.mark.parametrize("ending", ["\n", "\r", "\u2028", "\x0b", "\x85"])
def test_a_number_is_not_split_over_lines(ending):
    problem = "Solve 45*q = -940 + 355 for q."
    verdict, _, _ = judge(problem, ["45*q = -585"], f"q = -{ending}13", True)
    assert verdict is not VALID


def test_what_stood_before_the_search_is_judged_with_the_answer():
    chain = ["2*x = 8", "2*x = 6"]
    problem = "Solve 2*x + 4 = 10 for x."
    assert judge(problem, chain, "x = 3", True)[0] is VALID
    assert judge(problem, chain, "x = 3", True, first=0)[0] is INVALID


# --- Models that write prose --------------------------------------------------


def test_true_facts_and_prose_are_no_faults_of_a_model_of_other_texts():
    problem = "What is 2 + 3*4?"
    chain = ["First we multiply: 3*4 = 12.", "Then 2 + 12 = 14."]
    for number, step in enumerate(chain):
        assert judge(problem, chain[:number], step)[0] is not INVALID
    verdict, _, answer = judge(
        problem, chain, "So the answer is \\boxed{14}.", True
    )
    assert (verdict, answer) == (UNKNOWN, "14")
    # A model of these problems writes nothing else than its rule reads.
    assert judge(problem, [], chain[0], trained=True)[0] is INVALID


def test_what_cannot_be_read_of_a_model_of_its_family_is_noise():
    problem, words = "Solve 2*x + 4 = 10 for x.", "2*x = six"
    assert judge(problem, [], words)[0] is UNKNOWN
    assert judge(problem, [], words, trained=True)[0] is INVALID
    # Its rule proves no answer, so that much that is right is not read.
    asked = "How many primes are below 60?"
    assert extend.recognise(asked).family.name == "programs"
    assert judge(asked, [], "hm", trained=True)[0] is not VALID
    assert not is_complete(extend.recognise(asked).statement)


def test_an_empty_step_is_a_fault():
    assert judge("What is 2 + 3*4?", [], " ")[0] is INVALID


# --- Answers ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "answer", "expected"),
    [
        ("gcd", "6", True),
        ("gcd", "7", False),
        (None, "6", True),
        ("a label", "12/2", True),
    ],
)
def test_is_correct(task, answer, expected):
    problem = "Calculate the highest common factor of 12 and 18."
    assert judging.is_correct(problem, task, answer, "6") is expected


def test_reachable():
    assert judging.reachable("countdown", "3, 5 -> 8", []) is True
    assert judging.reachable("countdown", "3, 5 -> 9", []) is False
    assert judging.reachable("linear", "x = 3", []) is None
