"""Problems with gold answers: files of JSON lines, drawn families."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import random
from collections.abc import Iterable, Sequence
from typing import Any

from jaxlrm import tasks
from jaxlrm.verify import is_equivalent

# Training draws from streams named by its seed and step, never from this one.
HELD_OUT = "held-out"

_TRIES = 1000  # draws for a problem that is not there yet
_FIELDS = ("id", "problem", "answer", "task")  # that are read


@dataclasses.dataclass(frozen=True)
class Example:
    """One line of a dataset.

    Attributes:
        id: unique in the dataset.
        problem: its text.
        answer: the gold answer; None only where `read_problems` allows it.
        task: family in `jaxlrm.tasks`, which picks the checker; None for any
            other problem.
        level: difficulty of a drawn problem, None for any other.
    """

    id: str
    problem: str
    answer: str | None = None
    task: str | None = None
    level: int | None = None


def is_correct(example: Example, answer: str | None) -> bool:
    """Is `answer` the gold answer of `example`?

    Where the example names a task, that family decides, else
    `is_equivalent`.
    """
    if answer is None or example.answer is None:
        return False
    if example.task is None:
        return is_equivalent(answer, example.answer)
    family = tasks.get(example.task)
    statement = family.statement(example.problem) or ""
    return family.accepts(statement, answer, example.answer)


def read_dataset(path: str | pathlib.Path) -> list[Example]:
    """Reads `{"id": str, "problem": str, "answer": str, "task": str?}` lines.

    A line without `id` is called by its number. Other fields are ignored.

    Raises:
        ValueError: the file cannot be read, is not UTF-8, holds no problem, or
            a line is wrong or repeats an id; names the file and the line.
    """
    name = str(path)
    try:
        data = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{name}: {error.strerror}") from None
    text = _decode(data, name)
    return _examples(name, _objects(name, text), ("problem", "answer"))


def read_problems(data: bytes, name: str) -> list[Example]:
    """Problems with or without a gold answer.

    Args:
        data: UTF-8 text. If its first line that is not blank starts with `{`,
            every line is an object as `read_dataset` takes it, where `answer`
            may be missing; else every line that is not blank is a problem.
        name: of the file, for messages.

    Raises:
        ValueError: as of `read_dataset`.
    """
    text = _decode(data, name)
    if text.lstrip().startswith("{"):
        return _examples(name, _objects(name, text), ("problem",))
    plain = ((n, {"problem": line.strip()}) for n, line in _lines(text))
    return _examples(name, plain, ("problem",))


def sample_dataset(
    names: Sequence[str], number: int, seed: int = 0
) -> list[Example]:
    """Draws problems from families, in turn, none twice.

    The stream is another than that of training, whatever the seeds; a very
    easy problem may all the same have been met there, unless the family keeps
    some apart (`Task.held_out`). The first problems are the same for every
    `number`.

    Args:
        names: of families in `jaxlrm.tasks`, with a level of difficulty as in
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
            f"no tasks to draw from; known tasks: {', '.join(tasks.TASKS)}"
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
        level = level or tasks.TRAINED[ordinal % len(tasks.TRAINED)]
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


def _sources(name: str) -> list[tuple[str, tasks.Task, int | None]]:
    """`(name, family, level)` of each family that `name` stands for."""
    family, level = tasks.at_level(name)
    families = list(tasks.TASKS) if family == "all" else [family]
    end = name.removeprefix(family)
    return [(f + end, _held_out(f), level) for f in families]


def _held_out(name: str) -> tasks.Task:
    family = tasks.get(name)
    return family.held_out() if hasattr(family, "held_out") else family


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{name}:{line}: byte 0x{data[error.start]:02x} is not UTF-8; "
            "save the file as UTF-8"
        ) from None


def _lines(text: str) -> Iterable[tuple[int, str]]:
    # Not splitlines(), which also splits inside JSON strings.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line


def _objects(name: str, text: str) -> Iterable[tuple[int, dict[str, Any]]]:
    for number, line in _lines(text):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{name}:{number}: not JSON: {error}") from None
        if not isinstance(record, dict):
            raise ValueError(
                f"{name}:{number}: not an object but {line.strip():.40}"
            )
        yield number, record


def _examples(
    name: str,
    records: Iterable[tuple[int, dict[str, Any]]],
    needed: Sequence[str],
) -> list[Example]:
    examples: dict[str, Example] = {}
    for number, record in records:
        try:
            example = _example(record, number, needed)
        except ValueError as error:
            raise ValueError(f"{name}:{number}: {error}") from None
        if example.id in examples:
            raise ValueError(
                f"{name}:{number}: id {example.id!r} was used before; every "
                "problem needs its own"
            )
        examples[example.id] = example
    if not examples:
        raise ValueError(f"{name} holds no problem")
    return list(examples.values())


def _example(
    record: dict[str, Any], number: int, needed: Sequence[str]
) -> Example:
    values = {}
    for field in _FIELDS:
        value = record.get(field)
        if value is None and field in needed:
            form = ", ".join(
                f'"{name}": str{"" if name in needed else "?"}'
                for name in _FIELDS
            )
            raise ValueError(
                f"{field!r} is missing; there is {', '.join(record) or 'none'}"
                f", and a line is {{{form}}}"
            )
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{field!r} is {value!r}; write a string")
        if value is not None and not value.strip():
            raise ValueError(f"{field!r} is empty")
        if value is not None and not _is_unicode(value):
            raise ValueError(f"{field!r} holds half of a surrogate pair")
        values[field] = value
    if values["task"] is not None:
        tasks.get(values["task"])
    return Example(**{**values, "id": values["id"] or str(number)})


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
