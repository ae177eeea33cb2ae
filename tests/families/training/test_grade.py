"""What the shipped judge says about steps of the families."""

from __future__ import annotations

import random

import pytest

from jaxlrm import extend
from jaxlrm.engine import calibrate, loading
from jaxlrm.families.training import corrupt
from jaxlrm.models import hf
from jaxlrm.text import Text
from jaxlrm.train import data, grade, rollouts


@pytest.mark.slow
def test_the_shipped_judge_tells_right_steps_from_wrong_ones(tmp_path):
    """By what it learned: no symbolic engine is asked for a score."""
    folder = loading.find("mini-prm")
    path = tmp_path / "chains.jsonl"
    rng = random.Random(5)
    with open(path, "w") as file:
        for name in ("linear", "arithmetic", "gcd", "evaluate") * 15:
            problem = extend.get(name).sample(rng, rng.choice((1, 2, 3)))
            step = problem.steps[0]
            ended = len(problem.steps) == 1
            for line, label in (step, 1.0), (corrupt.change(rng, step), 0.0):
                chain = rollouts.Chain((line,), ended)
                rollouts.write(file, problem.text, chain, [label])
    config, values = hf.load(folder)
    documents = data.read_rollouts(path, Text.load(folder))
    found = grade.grade(config, values, documents)
    scores = calibrate.read(folder)(found.logits, found.likelihoods)
    assert calibrate.auroc(scores, found.labels) > 0.9
