"""Sampled chains of thought with a label for every step.

A process reward model learns from them whether a chain is right so far
(Lightman et al. 2023, "Let's verify step by step"). The labels come from the
symbolic engine, which judges each step against the one before it; no person
and no larger model is asked.
"""

from __future__ import annotations

import json
import pathlib
import random
from collections.abc import Callable, Sequence

from jaxlrm import tasks
from jaxlrm.config import SearchConfig
from jaxlrm.engine import Engine
from jaxlrm.verify.steps import check_answer, check_chain
from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.workers import Pool


def sample(
    engine: Engine,
    names: Sequence[str],
    path: str | pathlib.Path,
    *,
    problems: int,
    branches: int,
    temperature: float,
    seed: int,
    report: Callable[[int], None] = lambda done: None,
) -> int:
    """Appends labelled chains to `path`, as `data.read_rollouts` reads them.

    Args:
        engine: the model that writes.
        names: families of problems, in equal parts.
        path: JSON-lines file; made if missing.
        problems: how many problems to draw.
        branches: chains a problem; equal ones are written once.
        temperature: of sampling.
        seed: of the problems and of sampling.
        report: called with the number of problems done.

    Returns:
        The number of chains written.
    """
    rng = random.Random(f"{seed}/rollouts")
    config = SearchConfig(
        strategy="majority",
        branches=branches,
        temperature=temperature,
        verifiers="none",
        batch=32,
        seed=seed,
    )
    written = 0
    with open(path, "a", encoding="utf-8") as file, Pool() as pool:
        for start in range(0, problems, 256):
            drawn = [
                tasks.get(names[i % len(names)]).sample(rng)
                for i in range(start, min(start + 256, problems))
            ]
            solutions = engine.solve([p.text for p in drawn], config)
            chains = [
                (problem, thought.text.split("\n"))
                for problem, solution in zip(drawn, solutions, strict=True)
                for thought in solution.thoughts
                if thought.kind == "answer"
            ]
            labels = label(pool, chains)
            for (problem, steps), right in zip(chains, labels, strict=True):
                line = {"problem": problem.text, "steps": steps}
                file.write(json.dumps({**line, "labels": right}) + "\n")
            written += len(chains)
            file.flush()
            report(start + len(drawn))
    return written


def label(
    pool: Pool, chains: Sequence[tuple[tasks.Problem, Sequence[str]]]
) -> list[list[int]]:
    """For every step of every chain, 1 if the chain is right so far.

    What the engine cannot read counts as wrong: in the generated families
    every right step is readable.
    """
    partial, final = [], []
    for problem, steps in chains:
        statement = tasks.get(problem.task).statement(problem.text)
        for end in range(1, len(steps)):
            partial.append((statement, list(steps[:end])))
        final.append((statement, list(steps)))
    within = iter(pool.map(check_chain, partial))
    last = iter(pool.map(check_answer, final))
    labels = []
    for _, steps in chains:
        right = 1
        of_chain = []
        for number in range(len(steps)):
            source = within if number + 1 < len(steps) else last
            right &= next(source) is Verdict.VALID
            of_chain.append(int(right))
        labels.append(of_chain)
    return labels
