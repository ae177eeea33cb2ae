"""Problems drawn from families, for measuring: none that training met."""

from __future__ import annotations

import random
from collections.abc import Sequence

from jaxlrm import extend
from jaxlrm.evaluate.datasets import Example

# Training draws from streams named by its seed and step, never from this one.
HELD_OUT = "held-out"
_TRIES = 1000  # draws for a problem that is not there yet


def sample_dataset(
    names: Sequence[str], number: int, seed: int = 0
) -> list[Example]:
    """Draws problems from families, in turn, none twice.

    The stream is another than that of training, whatever the seeds; a very
    easy problem may all the same have been met there, unless the family keeps
    some apart (`extend.Family`). The first problems are the same for every
    `number`.

    Args:
        names: of registered families, with a level of difficulty as in
            `gcd@6`, or without, for the levels of training in turn; `all` is
            every family, `all@6` at one level.
        number: problems in all.
        seed: of the draw.

    Raises:
        ValueError: no name, an unknown one, a number that is not positive, or
            more problems than a family has at a level (`factors@1` has fewer
            than 200).
    """
    sources = [
        source for name in dict.fromkeys(names) for source in _sources(name)
    ]
    if not sources:
        raise ValueError(
            f"no tasks to draw from; known tasks: {', '.join(extend.names())}"
        )
    if number < 1:
        raise ValueError(f"{number} problems cannot be drawn; ask for some")
    streams = [
        random.Random(f"{HELD_OUT}/{seed}/{name}") for name, _, _ in sources
    ]
    seen, examples = set(), []
    tries = 0
    while len(examples) < number:
        ordinal, place = divmod(len(examples), len(sources))
        name, family, level = sources[place]
        level = level or extend.TRAINED[ordinal % len(extend.TRAINED)]
        problem = family.sample(streams[place], level)
        if problem.text in seen:
            tries += 1
            if tries == _TRIES:
                raise ValueError(
                    f"{_TRIES} draws of {name} at level {level} gave no new "
                    f"problem; ask for at most {len(examples)} problems"
                )
            continue
        tries = 0
        seen.add(problem.text)
        examples.append(
            Example(
                f"{name}-{ordinal}",
                problem.text,
                problem.answer,
                family.name,
                level,
            )
        )
    return examples


def _sources(name: str) -> list[tuple[str, extend.Family, int | None]]:
    """`(name, family, level)` of each family that `name` stands for."""
    family, level = extend.at_level(name)
    families = extend.names() if family == "all" else [family]
    end = name.removeprefix(family)
    return [(f + end, _held_out(f), level) for f in families]


def _held_out(name: str) -> extend.Family:
    family = extend.get(name)
    return family.held_out() if hasattr(family, "held_out") else family
