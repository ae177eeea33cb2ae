"""Problems with gold answers: datasets as published.

`docs/datasets.md` says which files and which columns are read.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxlrm import files
from jaxlrm.evaluate import rows
from jaxlrm.evaluate.columns import COLUMNS, Cells
from jaxlrm.files import shown, visible
from jaxlrm.verify import judging

_WHOLE_SOLUTION = 200  # characters of an answer that seems to be more


@dataclasses.dataclass(frozen=True)
class Example:
    """One problem of a dataset.

    Attributes:
        id: unique in the dataset.
        problem: its text.
        answer: the gold answer; None only where `read_problems` allows it.
        task: a label, by which tables are grouped. One that is the name of a
            registered family (`jaxlrm.extend`) also picks its checker, for
            problems that the family recognises.
        level: difficulty, by which tables are grouped.
    """

    id: str
    problem: str
    answer: str | None = None
    task: str | None = None
    level: int | None = None


def is_correct(example: Example, answer: str | None) -> bool:
    """Is `answer` the gold answer of `example`?

    Where the example's task is a family that recognises the problem, that
    family decides, else `is_equivalent`.
    """
    if answer is None or example.answer is None:
        return False
    return judging.is_correct(
        example.problem, example.task, answer, example.answer
    )


def read_dataset(
    path: str | os.PathLike, columns: Mapping[str, str] | None = None
) -> list[Example]:
    """The problems of a file, each with its gold answer.

    Args:
        path: of a file of JSON lines, JSON, CSV, TSV or Parquet, perhaps
            compressed by gzip.
        columns: names of the columns of some fields of `COLUMNS`; the others
            are looked for under the names there.

    Raises:
        ValueError: the file cannot be read, holds no problem, or a row is
            wrong or repeats an id; names the file and the line.
    """
    return _examples(str(path), rows.read(path), columns, answered=True)


def read_problems(
    data: bytes, name: str, columns: Mapping[str, str] | None = None
) -> list[Example]:
    """Problems with or without a gold answer.

    Args:
        data: of a file as `read_dataset` takes it, or UTF-8 text in which
            every line that is not blank is a problem.
        name: of the file, for messages; its ending may name the format.
        columns: see `read_dataset`.

    Raises:
        ValueError: as of `read_dataset`.
    """
    if rows.holds_rows(data, name):
        found = rows.parse(data, name)
    else:
        text = files.decode(data, visible(name, lines=False))
        found = (
            (number, f"{name}:{number}", {"problem": line.strip()})
            for number, line in rows.lines(text)
        )
        columns = None
    return _examples(name, found, columns, answered=False)


def _examples(
    name: str,
    found: Iterable[rows.Row],
    columns: Mapping[str, str] | None,
    *,
    answered: bool,
) -> list[Example]:
    columns = dict(columns or {})
    for field in columns:
        if field not in COLUMNS:
            raise ValueError(
                f"there is no field {shown(field)} to name a column of; there "
                f"are {', '.join(COLUMNS)}"
            )
    examples: list[Example] = []
    numbers: list[int] = []
    seen: set[str] = set()
    repeated = False
    for number, place, row in found:
        example, owned = _example(row, number, place, columns, answered)
        if example.id in seen and owned:
            raise ValueError(
                f"{place}: id {shown(example.id)} was used before; every "
                "problem needs its own"
            )
        repeated |= example.id in seen
        seen.add(example.id)
        examples.append(example)
        numbers.append(number)
    if not examples:
        raise ValueError(f"{visible(name, lines=False)} holds no problem")
    if repeated:  # in a column that only looked like one of ids
        examples = [
            dataclasses.replace(example, id=str(number))
            for number, example in zip(numbers, examples, strict=True)
        ]
    _check_golds(name, examples)
    return examples


def _example(
    row: Mapping[str, Any],
    number: int,
    place: str,
    columns: Mapping[str, str],
    answered: bool,
) -> tuple[Example, bool]:
    """The problem of a row, and whether its id is meant as one."""
    cells = Cells(row, place, columns)
    problem = cells.problem()
    if problem is None:
        raise cells.missing("problem")
    cells.refuse_choices()
    answer = cells.answer()
    if answer is None and answered:
        raise cells.missing("answer")
    identifier = cells.text("id")
    owned = "id" in columns or (cells.column("id") or "").casefold() == "id"
    return (
        Example(
            str(number) if identifier is None else identifier,
            problem,
            answer,
            cells.text("task"),
            cells.level(),
        ),
        owned or identifier is None,
    )


def _check_golds(name: str, examples: Sequence[Example]) -> None:
    """Refuses a file whose answers are solutions: nothing would equal them."""
    long = [
        example
        for example in examples
        if example.answer is not None
        and len(example.answer) > _WHOLE_SOLUTION
        and len(example.answer.split()) > _WHOLE_SOLUTION // 8
    ]
    if 2 * len(long) > len(examples):
        raise ValueError(
            f"{visible(name, lines=False)}: {len(long)} of {len(examples)} "
            "answers seem to be whole solutions, without #### or \\boxed "
            "before the result; name the column of the answer with "
            "--columns=answer=NAME"
        )
