"""Labels of sampled chains."""

from __future__ import annotations

import dataclasses
import json

import pytest

from jaxlrm.engine import loading
from jaxlrm.engine.solution import Solution, Thought
from jaxlrm.extend import Problem
from jaxlrm.text import Text
from jaxlrm.train import data, rollouts
from jaxlrm.train.rollouts import Chain
from jaxlrm.verify.verdict import Verdict

pytest.importorskip("jaxlrm.families")

SOLUTION = Solution(
    problem="Solve it.",
    answer="1",
    verdict=Verdict.UNKNOWN,
    confidence=1.0,
    solved=True,
    strategy="beam",
    votes=(),
    best_chain=(),
    thoughts=(),
    tokens={},
    seconds={},
    cache={},
    tree={},
)


@pytest.fixture(scope="module")
def pool():
    with rollouts.workers(["countdown"], 1) as workers:
        yield workers


def test_a_step_is_right_as_long_as_all_before_it_are(pool):
    problem = Problem("Solve 2*x + 3 = 13 for x.", "5", "linear", ())
    chains = [
        Chain(("2*x = 13 - 3", "2*x = 10", "x = 5"), count=3),
        Chain(("2*x = 13 - 3", "2*x = 11", "2*x = 10", "x = 5")),
        Chain(("2*x = 13 - 3", "2*x = 10")),
        Chain(("2*x = 13 - 3", "2*x = 10"), ended=False),
    ]
    assert rollouts.label(pool, [(problem, chains)]) == [
        [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
    ]


def test_where_steps_may_lead_nowhere_all_that_may_follow_is_tried(pool):
    problem = Problem("Use 4, 9, 10, 13 to make 24.", "24", "game24", ())
    good = "13 - 9 = 4 left 4, 10, 4"
    chains = [
        Chain((good, "10 - 4 = 6 left 4, 6", "6 * 4 = 24"), count=2),
        Chain((good, "10 + 4 = 14 left 4, 14", "14 + 4 = 18")),
        Chain(("13 + 9 = 22 left 4, 10, 22", "22 + 4 = 26 left 10, 26")),
        Chain(("13 - 9 = 5 left 4, 10, 5", "10 - 4 = 6 left 5, 6")),
    ]
    assert rollouts.label(pool, [(problem, chains)]) == [
        [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    ]


def test_where_too_much_may_follow_chains_are_counted(pool):
    text = "Use 1, 1, 2, 3, 4, 5, 6 to make 101."
    problem = Problem(text, "101", "countdown", ())
    first = "6 * 5 = 30 left 1, 1, 2, 3, 4, 30"
    won = [
        "30 - 4 = 26 left 1, 1, 2, 3, 26",
        "26 * 4 = 104 left 1, 1, 2, 104",  # no 4 is left
        "104 - 2 = 102 left 1, 1, 102",
        "102 * 1 = 102 left 1, 102",
        "102 - 1 = 101",
    ]
    second = "30 + 4 = 34 left 1, 1, 2, 3, 34"
    third = "34 * 3 = 102 left 1, 1, 2, 102"
    end = ["2 - 1 = 1 left 1, 102, 1", "102 * 1 = 102 left 102, 1"]
    chains = [
        Chain((first, second, third, *end, "102 - 1 = 101")),
        Chain((first, *won), count=3),
    ]
    assert rollouts.label(pool, [(problem, chains)]) == [
        [[0.25, *[1.0] * 5], [0.25, 1.0, *[0.0] * 4]]
    ]


def test_a_search_says_nothing_of_where_too_much_may_follow(pool):
    text = "Use 1, 2, 3, 4, 5, 6, 7 to make 101."
    problem = Problem(text, "101", "countdown", ())
    first = "6 * 5 = 30 left 1, 2, 3, 4, 7, 30"
    chains = [
        Chain((first, "30 + 4 = 35 left 1, 2, 3, 7, 35"), ended=False),
        Chain(("6 * 5 = 31 left 1, 2, 3, 4, 7, 31",), ended=False),
    ]
    assert rollouts.label(pool, [(problem, chains)]) == [[[None, 0.0], [0.0]]]


def thought(parent, text, kind="step", count=1):
    verdict = Verdict.UNKNOWN
    return Thought(parent, 0, text, kind, 0.5, verdict, True, count, (1, 2))


def test_paths_of_a_tree_end_where_nothing_follows():
    thoughts = (
        thought(-1, "a", count=3),
        thought(-1, "b"),
        thought(0, "c", "answer", 2),
        thought(0, "d", "open"),
    )
    solution = dataclasses.replace(
        SOLUTION, best_chain=(0, 2), thoughts=thoughts
    )
    assert rollouts.paths(solution) == [
        Chain(("b",), ended=False),
        Chain(("a", "c"), count=2),
    ]


def test_a_step_that_the_token_limit_cut_is_one_step():
    thoughts = (
        thought(-1, "2*x =", "open"),
        thought(0, " 13 ", "open"),
        thought(1, "- 3"),
        thought(1, "+ 3"),
        dataclasses.replace(thought(2, "x = 5", "answer"), output="right"),
    )
    solution = dataclasses.replace(
        SOLUTION, best_chain=(0, 1, 2, 4), thoughts=thoughts
    )
    steps = ("2*x = 13 - 3", "x = 5", "right")
    assert solution.best_trace == list(steps)
    assert rollouts.paths(solution) == [
        Chain(("2*x = 13 + 3",), ended=False),
        Chain(steps),
    ]


def test_paths_of_whole_chains_are_their_lines():
    thoughts = (thought(-1, "a\nb", "answer"), thought(-1, "a\nc", "open"))
    solution = dataclasses.replace(SOLUTION, thoughts=thoughts)
    assert rollouts.paths(solution) == [Chain(("a", "b"))]


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        (None, ""),
        ("", ""),
        ("{}\n", "{}\n"),
        ('{}\n{"problem": "Sol', "{}\n"),
        ('{"problem": "Sol', ""),
        ("{}\n{}", "{}\n{}\n"),
    ],
)
def test_a_line_that_a_kill_cut_is_not_gone_on_with(tmp_path, before, kept):
    path = tmp_path / "chains.jsonl"
    if before is not None:
        path.write_text(before)
    with rollouts.open_to_append(path) as file:
        file.write("{}\n")
    assert path.read_text() == kept + "{}\n"


@pytest.mark.slow
def test_a_search_by_scores_gives_wrong_steps_beside_right_ones(tmp_path):
    path = tmp_path / "tree.jsonl"
    with loading.load("mini-linear") as engine:
        written = rollouts.sample(
            engine,
            ["linear"],
            path,
            problems=2,
            branches=8,
            temperature=1.0,
            chain_tokens=128,
            strategy="beam",
            chains=6,
            seed=0,
        )
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert written == len(lines) and 2 < written <= 12
    assert not all(line["ended"] for line in lines)
    assert all(len(x["labels"]) == len(x["steps"]) for x in lines)
    text = Text.load(loading.SHIPPED / "mini-linear")
    documents = data.read_rollouts(path, text)
    for line, document in zip(lines, documents, strict=True):
        last = document.tokens[-1]
        assert (last == text.end[0]) == line["ended"]


class Interrupted:
    """An engine whose problems end in reverse order, the last one not."""

    def solve(self, problems, config, finished):
        for number in reversed(range(len(problems) - 1)):
            thoughts = (thought(-1, f"{number} steps", "answer"),)
            solution = dataclasses.replace(
                SOLUTION, problem=problems[number], thoughts=thoughts
            )
            finished(number, solution)
        raise KeyboardInterrupt


def test_what_has_ended_before_an_interrupt_is_kept_in_order(tmp_path):
    path = tmp_path / "chains.jsonl"
    with pytest.raises(KeyboardInterrupt):
        rollouts.sample(
            Interrupted(),
            ["linear"],
            path,
            problems=4,
            branches=2,
            temperature=1.0,
            chain_tokens=0,
            seed=0,
        )
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["steps"] for line in lines] == [
        ["0 steps"],
        ["1 steps"],
        ["2 steps"],
    ]
