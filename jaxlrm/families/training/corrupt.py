"""Right chains of thought with one step changed.

A judge that has seen only the errors of one generator has seen few: here each
chain breaks off at a step with a digit, a sign or an operator that is not as
it was, in any number of any line. The symbolic engine says that it is wrong.
"""

from __future__ import annotations

import pathlib
import random
import re
from collections.abc import Callable, Sequence

from jaxlrm import extend
from jaxlrm.train.rollouts import Chain, judge, open_to_append, workers, write

_BLOCK = 2048  # problems that are judged together
_SIGNS = {"+": "-", "-": "+", "*": "+", "/": "*"}


def sample(
    names: Sequence[str],
    path: str | pathlib.Path,
    *,
    problems: int,
    seed: int,
    report: Callable[[int], None] = lambda done: None,
) -> int:
    """Appends labelled chains to `path`, as `data.read_rollouts` reads them.

    Args:
        names: families of problems, in equal parts, each with a level as in
            `gcd@5` or without.
        path: JSON-lines file; made if missing.
        problems: how many problems to draw, each for one chain.
        seed: of the problems and of what is changed.
        report: called with the number of problems done.

    Returns:
        The number of chains written; one whose changed step turns out to be
        right is not.
    """
    rng = random.Random(f"{seed}/corrupt")
    written = 0
    with open_to_append(path) as file, workers(names) as pool:
        for start in range(0, problems, _BLOCK):
            drawn = [
                extend.draw(names[i % len(names)], rng)
                for i in range(start, min(start + _BLOCK, problems))
            ]
            chains = [_break_off(rng, problem.steps) for problem in drawn]
            verdicts = judge(
                pool,
                [
                    (
                        extend.get(problem.task).statement(problem.text),
                        list(chain.steps),
                        chain.ended,
                    )
                    for problem, chain in zip(drawn, chains, strict=True)
                ],
            )
            for problem, chain, right in zip(
                drawn, chains, verdicts, strict=True
            ):
                if right[-1] or not all(right[:-1]):
                    continue
                write(file, problem.text, chain, right)
                written += 1
            file.flush()
            report(start + len(drawn))
    return written


def change(rng: random.Random, step: str) -> str:
    """The step with one digit, sign or operator changed, or two digits swapped.

    A step without any of them comes back as it is.
    """
    digits = [m.start() for m in re.finditer("[0-9]", step)]
    pairs = [
        m.start()
        for m in re.finditer("(?=[0-9][0-9])", step)
        if step[m.start()] != step[m.start() + 1]
    ]
    signs = [m.start() for m in re.finditer(r"(?<!\*)[-+*/](?!\*)", step)]
    kinds = [digits] * 4 + [pairs, signs]
    places = rng.choice([kind for kind in kinds if kind] or [[]])
    if not places:
        return step
    place = rng.choice(places)
    if places is pairs:
        new = step[place + 1] + step[place]
    elif places is signs:
        new = _SIGNS[step[place]]
    else:
        new = _other_digit(rng, step[place])
    return step[:place] + new + step[place + len(new) :]


def _break_off(rng: random.Random, steps: Sequence[str]) -> Chain:
    end = rng.randrange(len(steps))
    changed = (*steps[:end], change(rng, steps[end]))
    return Chain(changed, ended=len(changed) == len(steps))


def _other_digit(rng: random.Random, digit: str) -> str:
    """Half of them are off by one, as slips of a carry are."""
    if rng.random() < 0.5:
        return str((int(digit) + rng.choice((1, -1))) % 10)
    return rng.choice([d for d in "0123456789" if d != digit])
