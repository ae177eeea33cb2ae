"""Sampled chains of thought with a label for every step.

A process reward model learns from them whether a chain is right so far
(Lightman et al. 2023, "Let's verify step by step"). The labels come from the
symbolic engine, which judges each step against the one before it; no person
and no larger model is asked. Where a right step may lead nowhere, as in
Countdown, a step's label says whether the answer can still be reached; where
trying all that may follow would take too long, it is the share of the sampled
chains through the step that reached an answer: the Monte-Carlo estimate of
Math-Shepherd (Wang et al. 2024).
"""

from __future__ import annotations

import collections
import functools
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
    chain_tokens: int,
    seed: int,
    report: Callable[[int], None] = lambda done: None,
) -> int:
    """Appends labelled chains to `path`, as `data.read_rollouts` reads them.

    Args:
        engine: the model that writes.
        names: families of problems, in equal parts.
        path: JSON-lines file; made if missing.
        problems: how many problems to draw.
        branches: chains a problem; equal ones are one line with a count.
        temperature: of sampling.
        chain_tokens: most tokens of a chain.
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
        chain_tokens=chain_tokens,
        verifiers="none",
        batch=32,
        seed=seed,
    )
    written = 0
    with open(path, "a", encoding="utf-8") as file, Pool() as pool:
        for start in range(0, problems, 256):
            drawn = [
                tasks.get(names[i % len(names)]).sample(
                    rng, rng.choice(tasks.TRAINED)
                )
                for i in range(start, min(start + 256, problems))
            ]
            solutions = engine.solve([p.text for p in drawn], config)
            groups = [
                (
                    problem,
                    [
                        (thought.text.split("\n"), thought.count)
                        for thought in solution.thoughts
                        if thought.kind == "answer"
                    ],
                )
                for problem, solution in zip(drawn, solutions, strict=True)
            ]
            for (problem, chains), labels in zip(
                groups, label(pool, groups), strict=True
            ):
                for (steps, count), of_chain in zip(
                    chains, labels, strict=True
                ):
                    line = {"problem": problem.text, "steps": steps}
                    line |= {"labels": of_chain, "count": count}
                    file.write(json.dumps(line) + "\n")
                written += len(chains)
            file.flush()
            report(start + len(drawn))
    return written


# A problem with the chains sampled for it, each with its count.
Group = tuple[tasks.Problem, Sequence[tuple[Sequence[str], int]]]


def label(pool: Pool, groups: Sequence[Group]) -> list[list[list[float]]]:
    """Labels in [0, 1] of the steps of the chains of each problem.

    1 if the chain is right so far, else 0; where a family has dead ends, 1 if
    the answer can still be reached, and where that is not known the share of
    the chains with the same steps so far that are right to the end.
    What the engine cannot read counts as wrong: in the generated families
    every right step is readable.
    """
    chains = [
        (tasks.get(problem.task).statement(problem.text), list(steps), True)
        for problem, of_problem in groups
        for steps, _ in of_problem
    ]
    judged = iter(judge(pool, chains))
    labels = []
    for problem, chains in groups:
        exact = [next(judged) for _ in chains]
        if tasks.get(problem.task).dead_ends:
            labels.append(_look_ahead(problem, chains, exact))
        else:
            labels.append(exact)
    return labels


def judge(
    pool: Pool, chains: Sequence[tuple[str, list[str], bool]]
) -> list[list[float]]:
    """For each step of each chain 1 if all steps so far are right, else 0.

    Args:
        pool: checks steps.
        chains: statement, steps, and whether the last one states the answer.
    """
    checks = {True: [], False: []}
    for statement, steps, ended in chains:
        for end in range(1, len(steps) + 1):
            last = ended and end == len(steps)
            checks[last].append((statement, steps[:end]))
    answers = iter(pool.map(check_answer, checks[True]))
    within = iter(pool.map(check_chain, checks[False]))
    labels = []
    for _, steps, ended in chains:
        right, of_chain = 1.0, []
        for end in range(1, len(steps) + 1):
            source = answers if ended and end == len(steps) else within
            right *= next(source) is Verdict.VALID
            of_chain.append(right)
        labels.append(of_chain)
    return labels


def _look_ahead(
    problem: tasks.Problem, chains, exact: Sequence[Sequence[float]]
) -> list[list[float]]:
    """Whether, or how often, the answer is reached after each right step."""
    family = tasks.get(problem.task)
    statement = family.statement(problem.text)
    reachable = getattr(family, "reachable", lambda statement, steps: None)
    through = collections.Counter()
    reached = collections.Counter()
    for (steps, count), right in zip(chains, exact, strict=True):
        for end in range(1, len(steps) + 1):
            through[tuple(steps[:end])] += count
            reached[tuple(steps[:end])] += count * int(right[-1])

    @functools.cache
    def value(prefix: tuple[str, ...]) -> float:
        known = reachable(statement, prefix)
        if known is None:
            return round(reached[prefix] / through[prefix], 4)
        return float(known)

    return [
        [
            right and value(tuple(steps[:end]))
            for end, right in enumerate(of_chain, 1)
        ]
        for (steps, _), of_chain in zip(chains, exact, strict=True)
    ]
