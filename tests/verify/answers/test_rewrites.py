"""The rules of benchmarks/verification.py, on answers of every kind."""

import importlib.util
import pathlib
import random

import pytest

from jaxlrm.verify import is_equivalent
from jaxlrm.verify.answers.comparison import compare
from jaxlrm.verify.verdict import Verdict

PROGRAM = pathlib.Path(__file__).parents[3] / "benchmarks" / "verification.py"
GOLDS = [
    "7",
    "-12",
    "0.75",
    "12500",
    "10,080",
    r"\frac{14}{3}",
    r"-\frac{35}{9}",
    r"\frac{3}{8}",
    r"11\sqrt{5}",
    r"3 \pm \sqrt{2}",
    "1,-2",
    "3, 5, 7",
    "(6,31,-1)",
    "(3,4]",
    r"(5,\infty)",
    r"(-\infty, 0]",
    r"\left( 3, \frac{\pi}{2} \right)",
    r"90^\circ",
    "x=5",
    "x^3+3x-6",
    "6r^2-4r-24",
    "y = 2x + 3",
    r"2 \sin x + 1",
    r"\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix}",
    r"(0,9) \cup (9,36)",
    r"\text{east}",
    r"x \geq 16",
    "6 - 5i",
]


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("verification", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rewrites_are_accepted(program):
    made = 0
    for gold in GOLDS:
        for name, rule in program.REWRITES.items():
            rewritten = rule(gold)
            if rewritten is not None:
                made += 1
                assert is_equivalent(rewritten, gold), name
    assert made > 5 * len(GOLDS)


def test_corruptions_are_refused(program):
    made = 0
    for seed in range(5):
        for gold in GOLDS:
            for name, rule in program.CORRUPTIONS.items():
                corrupted = rule(gold, random.Random(seed))
                if corrupted is not None:
                    made += 1
                    verdict = compare(corrupted, gold).verdict
                    assert verdict is not Verdict.VALID, (name, corrupted)
    assert made > 10 * len(GOLDS)


def test_a_run_counts_both_kinds(program, tmp_path):
    (tmp_path / "math500.jsonl").write_text(
        r'{"answer": "\\frac{1}{3}", "solution": "So \\boxed{\\frac13}."}'
    )
    (source,) = program.sources(tmp_path)
    asked = program.pairs([source], seed=0)
    result = program.score(program._ours, asked)
    assert {pair.same for pair in asked} == {True, False}
    assert any(pair.solution for pair in asked)
    assert all(result.right)
    assert "100.00" in program._row("ours", asked, result)
