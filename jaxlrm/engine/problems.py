"""Problems as a search takes them: prompts, and what families know of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from jaxlrm import extend
from jaxlrm.config import SearchConfig
from jaxlrm.text import Text


@dataclasses.dataclass(frozen=True)
class Problem:
    """A problem, read.

    Attributes:
        text: as it was given.
        config: of its search, resolved.
        begun: steps that its chains begin with, before what is written.
        statement: what it asks about, None if no family recognises it.
        trained: the model was trained on the family that recognises it.
        outside: the model was trained on families, but not on one of this
            problem.
        prompt: token ids.
        opening: what the prompt opens an answer with, as `<think>`.
        note: why it cannot be searched; empty if it can.
    """

    text: str
    config: SearchConfig
    begun: tuple[str, ...] = ()
    statement: str | None = None
    trained: bool = False
    outside: bool = False
    prompt: tuple[int, ...] = ()
    opening: str = ""
    note: str = ""


def read_all(
    problems: Sequence[str],
    begun: Sequence[Sequence[str]],
    configs: Sequence[SearchConfig],
    text: Text,
    settle: Callable[[SearchConfig], tuple[SearchConfig, int]],
    extensions: Sequence[str] = (),
) -> list[Problem]:
    """Problems and the prompts that ask them.

    Args:
        problems: their texts.
        begun: of each, the steps that its chains begin with.
        configs: of each, the configuration of its search.
        text: the generator's tokenizer.
        settle: fills in a configuration, and gives most tokens of a prompt.
        extensions: modules whose families may recognise a problem.
    """
    settled = {config: settle(config) for config in dict.fromkeys(configs)}
    return [
        read_problem(
            problem,
            steps,
            settled[config][0],
            text,
            settled[config][1],
            extensions,
        )
        for problem, steps, config in zip(
            problems, begun, configs, strict=False
        )
    ]


def read_problem(
    problem: str,
    begun: Sequence[str],
    config: SearchConfig,
    text: Text,
    room: int,
    extensions: Sequence[str] = (),
) -> Problem:
    """A problem and the prompt that asks it.

    Args:
        problem: its text.
        begun: steps that its chains begin with.
        config: of its search, resolved.
        text: the generator's tokenizer.
        room: most tokens of a prompt.
        extensions: modules whose families may recognise it.
    """
    reading = extend.recognise(problem, extensions)
    trained = reading is not None and reading.family.name in text.tasks
    found = Problem(
        problem,
        config,
        tuple(begun),
        statement=reading and reading.statement,
        trained=trained,
        outside=bool(text.tasks) and not trained,
    )
    note = _unreadable(problem, text)
    if note:
        return dataclasses.replace(found, note=note)
    style = config.prompt, config.system, config.thinking
    # As the model was trained.
    asked = reading.question if trained else problem
    prompt = text.encode_prompt(asked, *style)
    for step in begun:
        prompt += text.encode(step + text.step)
    if len(prompt) > room:
        note = (
            f"the problem has {len(prompt)} tokens and this model has room "
            f"for {room}; shorten it"
        )
    return dataclasses.replace(
        found,
        prompt=tuple(prompt),
        opening="<think>" if text.opens_thinking(*style) else "",
        note=note,
    )


def any_runs_programs(
    problems: Sequence[str], text: Text, extensions: Sequence[str]
) -> bool:
    """Is one of a family, known to the model, whose chains run programs?"""
    readings = (extend.recognise(each, extensions) for each in problems)
    return any(
        reading.family.name in text.tasks
        and getattr(reading.family, "tools", False)
        for reading in readings
        if reading is not None
    )


def _unreadable(problem: str, text: Text) -> str:
    """Why a model cannot read a problem; empty if it can."""
    if not problem.strip():
        return "the problem is empty"
    try:
        problem.encode()
    except UnicodeEncodeError as error:
        return f"the problem is no text: {error}"
    if not text.encode(problem):
        return "the tokenizer knows none of its characters"
    return ""
