"""What a model writes after the first steps of right chains.

Most chains of a weak model go wrong at once, and all that follows is wrong
with it: they say little of later steps. Here a right chain breaks off anywhere,
the model goes on with one step in several branches, and the symbolic engine
labels what it wrote: siblings, right and wrong ones, after a right beginning,
as a judge that steers a search has to tell them apart. The steps of the
beginning have no label: the model did not write them.
"""

from __future__ import annotations

import collections
import pathlib
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jaxlrm import extend
from jaxlrm.config import SearchConfig
from jaxlrm.engine.engine import Engine
from jaxlrm.engine.solution import Solution
from jaxlrm.train import rollouts

_BLOCK = 2048  # problems that are drawn together


class _Begun(NamedTuple):
    """A problem and the first steps of its right chain."""

    problem: extend.Problem
    steps: tuple[str, ...]


class Sampled(NamedTuple):
    """What was written.

    Attributes:
        chains: lines in the file.
        right: by family, the mean label of the steps, each as often as it was
            written: the share that is right, and leads on where that counts.
            It tells two checkpoints apart in minutes.
    """

    chains: int
    right: dict[str, float]


def sample(
    engine: Engine,
    names: Sequence[str],
    path: str | pathlib.Path,
    *,
    problems: int,
    branches: int,
    temperature: float,
    chains: int = 0,
    seed: int,
    report: Callable[[int], None] = lambda done: None,
) -> Sampled:
    """Appends labelled chains to `path`, as `data.read_rollouts` reads them.

    Args:
        engine: the model that writes.
        names: families of problems, in equal parts, each with a level as in
            `gcd@5` or without.
        path: JSON-lines file; made if missing.
        problems: how many problems to draw.
        branches: steps that are written after each beginning; equal ones are
            one line with a count.
        temperature: of sampling.
        chains: most different steps of a problem that are kept, at random; 0:
            all.
        seed: of the problems, of where they break off, and of sampling.
        report: called with the number of problems done.

    Returns:
        How many chains were written, and how many steps of them are right.
    """
    rng = random.Random(f"{seed}/next_step")
    config = SearchConfig(
        strategy="beam",
        branches=branches,
        width=1,
        rounds=1,
        temperature=temperature,
        verifiers="none",
        tools="none",
        seed=seed,
    )
    written = 0
    right, steps_of = collections.Counter(), collections.Counter()
    with rollouts.open_to_append(path) as file, rollouts.workers(names) as pool:

        def keep(begun: _Begun, solution: Solution) -> None:
            nonlocal written
            problem, beginning = begun
            found = rollouts.paths(solution)
            if chains and len(found) > chains:
                found = rng.sample(found, chains)
            found = [
                chain._replace(steps=(*beginning, *chain.steps))
                for chain in found
            ]
            (labels,) = rollouts.label(pool, [(problem, found)])
            for chain, (*_, last) in zip(found, labels, strict=True):
                known = [None] * (len(chain.steps) - 1) + [last]
                rollouts.write(file, problem.text, chain, known)
                if last is not None:
                    right[problem.task] += last * chain.count
                    steps_of[problem.task] += chain.count
            file.flush()
            written += len(found)

        for start in range(0, problems, _BLOCK):
            drawn = [
                _begin(rng, names[i % len(names)])
                for i in range(start, min(start + _BLOCK, problems))
            ]
            engine.solve(
                [begun.problem.text for begun in drawn],
                config,
                begun=[begun.steps for begun in drawn],
                finished=rollouts.in_order(drawn, keep),
            )
            report(start + len(drawn))
    return Sampled(
        written, {task: right[task] / n for task, n in steps_of.items()}
    )


def _begin(rng: random.Random, name: str) -> _Begun:
    problem = extend.draw(name, rng)
    end = rng.randrange(len(problem.steps))
    return _Begun(problem, tuple(problem.steps[:end]))
