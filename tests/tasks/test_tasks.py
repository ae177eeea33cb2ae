"""Generated families: their answers are right and their steps are provable."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm import tasks
from jaxlrm.tasks import task
from jaxlrm.tasks.arithmetic import AddSubMultiple, render
from jaxlrm.tasks.linear import LinearEquation, signed_sum
from jaxlrm.verify.steps import check_answer, check_chain, check_solution
from jaxlrm.verify.verdict import Verdict

SEEDS = st.integers(0, 2**64)
FAMILIES = list(tasks.TASKS.values())
each_family = pytest.mark.parametrize(
    "family", FAMILIES, ids=[family.name for family in FAMILIES]
)


def value(expression: str) -> int:
    """Of a generated expression: whole numbers, `+`, `-`, `*`, brackets."""
    assert re.fullmatch(r"[-+*() 0-9]+", expression), expression
    return eval(expression)


def holds(statement: str, answer: str) -> bool:
    """Whether the answer is the root, or the value, of the statement."""
    filled = re.sub("[a-z]", f"({answer})", statement)
    sides = [value(side) for side in filled.split("=")]
    return len({*sides, int(answer)} if len(sides) == 1 else set(sides)) == 1


@each_family
@given(seed=SEEDS)
@settings(max_examples=150)
def test_gold_steps_are_valid(family, seed):
    problem = family.sample(random.Random(seed))
    statement = family.statement(problem.text)
    for end in range(1, len(problem.steps)):
        steps = list(problem.steps[:end])
        assert check_chain(statement, steps) is Verdict.VALID, steps
    assert check_answer(statement, problem.steps) is Verdict.VALID
    assert check_solution(statement, problem.steps) is Verdict.VALID


@each_family
@given(seed=SEEDS)
@settings(max_examples=150)
def test_answers_are_right(family, seed):
    problem = family.sample(random.Random(seed))
    assert problem.task == family.name
    assert holds(family.statement(problem.text), problem.answer)
    last = problem.steps[-1]
    assert last.split(" = ")[-1] == problem.answer


@each_family
@given(seed=SEEDS)
def test_a_family_reads_its_own_phrasing_and_no_other_family(family, seed):
    problem = family.sample(random.Random(seed))
    assert [f for f in FAMILIES if f.statement(problem.text)] == [family]
    found = tasks.recognise(f"  {problem.text}\n")
    assert found == (family, family.statement(problem.text))
    assert found[1] in problem.text
    assert family.statement("Q: " + problem.text) is None


@each_family
@given(seed=SEEDS)
@settings(max_examples=20)
def test_a_seed_draws_the_same_problem_again(family, seed):
    first, second = (family.sample(random.Random(seed)) for _ in range(2))
    assert first == second


@each_family
def test_seeds_draw_different_problems(family):
    drawn = {family.sample(random.Random(seed)).text for seed in range(50)}
    assert len(drawn) > 45


@each_family
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "?",
        "What is ?",
        "What is  ?",
        "What is two plus two?",
        "What is 2 + 2 and 3?",
        "What is -?",
        "Calculate ().",
        "Solve for x.",
        "Solve  for x.",
        "Solve world hunger for x.",
        "Solve 2*x for x.",
        "Solve 2*y = 10 for x.",
        "Solve 2*x + y = 10 for x.",
        "Solve 2*x = 10 = 5*x for x.",
        "Solve 4 = 4 for x.",
        "Solve 2*x = 10 for x. Then 3*x = 1 for x.",
        "Solve 2*x = 10\n for x.",
        "x" * 10_000,
        "(" * 10_000,
    ],
)
def test_other_texts_are_not_read(family, text):
    assert family.statement(text) is None
    assert tasks.recognise(text) is None


@pytest.mark.parametrize(
    ("text", "name", "statement"),
    [
        ("Solve 12*m = -9*m + 21 for m.", "linear", "12*m = -9*m + 21"),
        ("Solve 2x=10 for x", "linear", "2x=10"),
        (
            "Solve x/2 + 0.5 = (x - 3)*4 for x.",
            "linear",
            "x/2 + 0.5 = (x - 3)*4",
        ),
        ("What is 86 + -80 - (-7 + 6)?", "arithmetic", "86 + -80 - (-7 + 6)"),
        ("1 + 2", "arithmetic", "1 + 2"),
        ("Evaluate 1 - (2 - 3).", "arithmetic", "1 - (2 - 3)"),
    ],
)
def test_statements(text, name, statement):
    family, found = tasks.recognise(text)
    assert family.name == name
    assert found == statement


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading(text):
    found = tasks.recognise(text)
    if found is not None:
        assert found[1] in text


def test_unknown_family():
    assert tasks.get("linear") is tasks.TASKS["linear"]
    with pytest.raises(ValueError, match="'algebra'.*linear, arithmetic"):
        tasks.get("algebra")


@pytest.mark.parametrize("family", [LinearEquation, AddSubMultiple])
def test_entropy_is_difficulty(family):
    def size(entropy):
        rng = random.Random(0)
        drawn = [family((entropy, entropy)).sample(rng) for _ in range(100)]
        return sum(len(problem.text) for problem in drawn)

    assert size(3.0) < size(6.0) < size(9.0)


@given(SEEDS, st.integers(1, 5), st.integers(0, 12))
def test_composition(seed, parts, total):
    found = task.composition(random.Random(seed), parts, total)
    assert len(found) == parts and sum(found) == total and min(found) >= 0


@given(SEEDS, st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_dirichlet(seed, weights):
    found = task.dirichlet(random.Random(seed), weights)
    assert sum(found) == pytest.approx(1 if any(weights) else 0)
    for share, weight in zip(found, weights, strict=True):
        assert share >= 0 and (weight or share == 0)


@given(SEEDS, st.floats(0, 12))
def test_integer(seed, entropy):
    assert abs(task.integer(random.Random(seed), entropy)) <= 10**entropy


def test_signed_sum():
    terms = [(3, "x"), (-1, "x"), (-4, ""), (1, "")]
    assert signed_sum(terms) == "3*x - x - 4 + 1"
    assert signed_sum([(-1, "x")]) == "-x"
    assert signed_sum([]) == "0"


def test_render():
    expression = ((1, 4), (-1, ((1, 7), (1, -4))))
    assert render(expression) == "4 - (7 + -4)"
