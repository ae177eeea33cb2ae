"""Sampled chains of thought with a label for every step.

A process reward model learns from them whether a chain is right so far
(Lightman et al. 2023, "Let's verify step by step"). The labels come from the
symbolic engine, which judges each step against the one before it; no person
and no larger model is asked. Where a right step may lead nowhere, as in
Countdown, a step's label says whether the answer can still be reached; where
trying all that may follow would take too long, it is the share of the sampled
chains through the step that reached an answer: the Monte-Carlo estimate of
Math-Shepherd (Wang et al. 2024).

A judge that steers a search meets other steps than those that are sampled most
often: the wrong ones that it scores too high itself. Chains out of the trees of
a search by its own scores hold them, each beside its siblings, as in the rounds
of rStar-Math (Guan et al. 2025).
"""

from __future__ import annotations

import collections
import json
import os
import pathlib
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple, TextIO, TypeVar

from jaxlrm import extend, locks
from jaxlrm.config import WHOLE, SearchConfig
from jaxlrm.engine.engine import Engine
from jaxlrm.engine.solution import Solution, Thought, steps_of
from jaxlrm.verify import judging
from jaxlrm.verify.steps import check_answer, check_chain
from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.workers import Pool

T = TypeVar("T")

_BLOCK = 256  # problems that are drawn together
_DEADLINE = 10.0  # seconds of a job; what is not known then is estimated


class Chain(NamedTuple):
    """Steps that follow a problem.

    Attributes:
        steps: one text each.
        ended: whether the last one states the answer.
        count: branches that wrote the last one.
    """

    steps: tuple[str, ...]
    ended: bool = True
    count: int = 1


# A problem with the chains sampled for it.
Group = tuple[extend.Problem, Sequence[Chain]]


def sample(
    engine: Engine,
    names: Sequence[str],
    path: str | pathlib.Path,
    *,
    problems: int,
    branches: int,
    temperature: float,
    chain_tokens: int,
    strategy: str = "majority",
    chains: int = 0,
    seed: int,
    report: Callable[[int], None] = lambda done: None,
) -> int:
    """Appends labelled chains to `path`, as `data.read_rollouts` reads them.

    Args:
        engine: the model that writes.
        names: families of problems, in equal parts, each with a level as in
            `gcd@5` or without.
        path: JSON-lines file; made if missing.
        problems: how many problems to draw.
        branches: of the search, a problem; equal chains are one line with a
            count.
        temperature: of sampling.
        chain_tokens: most tokens of a chain.
        strategy: which writes the chains; where it writes step by step, by the
            model's own scores, a chain is a path of its tree.
        chains: most chains of a problem that are kept, at random; 0: all.
        seed: of the problems and of sampling.
        report: called with the number of problems done.

    Returns:
        The number of chains written.
    """
    rng = random.Random(f"{seed}/rollouts")
    config = SearchConfig(
        strategy=strategy,
        branches=branches,
        temperature=temperature,
        chain_tokens=chain_tokens,
        verifiers="none" if strategy in WHOLE else "learned",
        seed=seed,
    )
    written = 0
    with open_to_append(path) as file, workers(names) as pool:

        def keep(problem: extend.Problem, solution: Solution) -> None:
            nonlocal written
            found = paths(solution)
            if chains and len(found) > chains:
                found = rng.sample(found, chains)
            (labels,) = label(pool, [(problem, found)])
            for chain, of_chain in zip(found, labels, strict=True):
                write(file, problem.text, chain, of_chain)
            file.flush()
            written += len(found)

        for start in range(0, problems, _BLOCK):
            drawn = [
                extend.draw(names[i % len(names)], rng)
                for i in range(start, min(start + _BLOCK, problems))
            ]
            engine.solve(
                [problem.text for problem in drawn],
                config,
                finished=in_order(drawn, keep),
            )
            report(start + len(drawn))
    return written


def workers(names: Sequence[str], number: int = 2) -> Pool:
    """The processes that label steps.

    Args:
        names: families of which there will be problems, as of `sample`.
        number: of processes.
    """
    homes = {extend.home(extend.at_level(name)[0]) for name in names}
    modules = ("jaxlrm.verify.steps", judging.__name__, *sorted(homes))
    return Pool(number, modules, _DEADLINE)


def in_order(
    items: Sequence[T], keep: Callable[[T, Solution], None]
) -> Callable[[int, Solution], None]:
    """A `finished` of `Engine.solve` that calls `keep(item, solution)`.

    In the order of the items, each as soon as it and all before it have ended:
    what is kept then does not depend on which problem ends first.
    """
    waiting: dict[int, Solution] = {}
    kept = 0

    def finished(number: int, solution: Solution) -> None:
        nonlocal kept
        waiting[number] = solution
        while kept in waiting:
            keep(items[kept], waiting.pop(kept))
            kept += 1

    return finished


def paths(solution: Solution) -> list[Chain]:
    """The chains of a search, from the problem to each last thought.

    One whose last step the token limit cut is left out.
    """
    chains: list[tuple[Thought, ...]] = []
    parents = {thought.parent for thought in solution.thoughts}
    found = []
    for number, thought in enumerate(solution.thoughts):
        before = chains[thought.parent] if thought.parent >= 0 else ()
        chains.append((*before, thought))
        last = number not in parents and thought.kind != "open"
        if last and (steps := steps_of(chains[number])):
            ended = thought.kind == "answer"
            found.append(Chain(tuple(steps), ended, thought.count))
    return found


def open_to_append(path: str | pathlib.Path) -> TextIO:
    """The file for `write`; a last line that a kill cut off is removed.

    Raises:
        BlockingIOError: another process appends to it.
        OSError: it cannot be written.
    """
    path = pathlib.Path(path)
    file = path.open("a", encoding="utf-8")
    try:
        locks.lock_file(file)
    except OSError:
        file.close()
        raise
    last = path.read_bytes().rpartition(b"\n")[2] if path.is_file() else b""
    missing = ""
    if last:
        try:
            json.loads(last)
            missing = "\n"  # and nothing else, as editors leave it
        except ValueError:
            os.truncate(path, path.stat().st_size - len(last))
    file.write(missing)
    return file


def write(
    file: TextIO,
    problem: str,
    chain: Chain,
    labels: Sequence[float | None],
) -> None:
    """Appends a labelled chain, as `data.read_rollouts` reads it."""
    line = {"problem": problem, "steps": chain.steps, "labels": labels}
    line |= {"ended": chain.ended, "count": chain.count}
    file.write(json.dumps(line) + "\n")


# Of each step of each chain of each problem.
Labels = list[list[list[float | None]]]


def label(pool: Pool, groups: Sequence[Group]) -> Labels:
    """Labels in [0, 1] of the steps of the chains of each problem.

    1 if the chain is right so far, else 0; where a family has dead ends, 1 if
    the answer can still be reached, and where that is not known the share of
    the chains with the same steps so far that are right to the end. A search
    that lets chains go says nothing of that share: there is None.
    What the engine cannot read counts as wrong: in the generated families
    every right step is readable.
    """
    chains = [
        (
            extend.get(problem.task).statement(problem.text),
            list(chain.steps),
            chain.ended,
        )
        for problem, of_problem in groups
        for chain in of_problem
    ]
    judged = iter(judge(pool, chains))
    labels = []
    for problem, chains in groups:
        exact = [next(judged) for _ in chains]
        if extend.get(problem.task).dead_ends:
            labels.append(_look_ahead(pool, problem, chains, exact))
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
    pool: Pool,
    problem: extend.Problem,
    chains: Sequence[Chain],
    exact: Sequence[Sequence[float]],
) -> list[list[float | None]]:
    """Whether, or how often, the answer is reached after each right step."""
    family = extend.get(problem.task)
    statement = family.statement(problem.text)
    through = collections.Counter()
    reached = collections.Counter()
    for chain, right in zip(chains, exact, strict=True):
        for end in range(1, len(chain.steps) + 1):
            through[chain.steps[:end]] += chain.count
            reached[chain.steps[:end]] += chain.count * int(
                chain.ended and right[-1]
            )

    sampled = all(chain.ended for chain in chains)
    prefixes = list(
        dict.fromkeys(
            chain.steps[:end]
            for chain, of_chain in zip(chains, exact, strict=True)
            for end, right in enumerate(of_chain, 1)
            if right
        )
    )
    found = pool.map(
        judging.reachable,
        [(problem.task, statement, prefix) for prefix in prefixes],
        plain=True,
    )
    known = dict(zip(prefixes, found, strict=True))

    def value(prefix: tuple[str, ...]) -> float | None:
        if isinstance(known[prefix], bool):
            return float(known[prefix])
        return round(reached[prefix] / through[prefix], 4) if sampled else None

    return [
        [
            right and value(chain.steps[:end])
            for end, right in enumerate(of_chain, 1)
        ]
        for chain, of_chain in zip(chains, exact, strict=True)
    ]
