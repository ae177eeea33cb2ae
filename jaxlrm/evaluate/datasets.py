"""Problems with gold answers: datasets as published, drawn families.

`docs/datasets.md` says which files and which columns are read.
"""

from __future__ import annotations

import dataclasses
import math
import os
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxlrm import files, tasks
from jaxlrm.evaluate import rows
from jaxlrm.files import shown, visible
from jaxlrm.verify import is_equivalent, judging
from jaxlrm.verify.answers.grading import gold_answer

# Training draws from streams named by its seed and step, never from this one.
HELD_OUT = "held-out"

# The columns that a field is read from, the first that has a value; capital
# letters or not.
COLUMNS = {
    "problem": ("problem", "question"),
    "answer": (
        "answer",
        "final_answer",
        "expected_answer",
        "gold_answer",
        "gold",
        "target",
    ),
    "id": ("id", "unique_id", "idx"),
    "task": ("task",),
    "level": ("level",),
}
_SOLUTION = "solution"  # holds the answer in a box, where no column has it
_BODY = "body"  # what a question is about, in some files of word problems
_CHOICES = ("options", "choices")  # of multiple-choice problems

_TRIES = 1000  # draws for a problem that is not there yet
_LEVEL = re.compile(r"(?:level\s*)?(\d{1,4})", re.IGNORECASE | re.ASCII)
_MOST_GOLDS = 32  # of one problem, each compared with the others
_WHOLE_SOLUTION = 200  # characters of an answer that seems to be more


@dataclasses.dataclass(frozen=True)
class Example:
    """One problem of a dataset.

    Attributes:
        id: unique in the dataset.
        problem: its text.
        answer: the gold answer; None only where `read_problems` allows it.
        task: a label, by which tables are grouped. One that is the name of a
            family in `jaxlrm.tasks` also picks its checker, for problems that
            the family recognises.
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
    cells = _Cells(row, place, columns)
    problem = cells.text("problem")
    if problem is None:
        raise cells.missing("problem")
    column = cells.column("problem")
    if column.casefold() == "question" and "problem" not in columns:
        body = cells.named(_BODY)
        if isinstance(body, str) and body.strip():
            problem = f"{body.strip()} {problem}"
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


class _Cells:
    """The values of a row, by field; errors name the place and the column."""

    def __init__(
        self,
        row: Mapping[str, Any],
        place: str,
        columns: Mapping[str, str],
    ):
        self._row, self._place, self._columns = row, place, columns
        self._names: dict[str, str] = {}
        for key in row:  # of `answer` and `Answer` the first
            self._names.setdefault(key.casefold(), key)

    def missing(self, field: str) -> ValueError:
        there = [visible(key, lines=False)[:40] for key in self._row]
        if len(there) > 12:
            there[12:] = [f"and {len(there) - 12} more"]
        name = shown(self._columns.get(field, field))
        return ValueError(
            f"{self._place}: {name} is missing; there is "
            f"{', '.join(there) or 'none'}; name its column with "
            f"--columns={field}=NAME"
        )

    def column(self, field: str) -> str | None:
        """The column of a field that has a value in this row."""
        if field in self._columns:
            name = self._columns[field]
            return name if self._row.get(name) is not None else None
        for candidate in COLUMNS[field]:
            exact = candidate if candidate in self._row else None
            name = exact or self._names.get(candidate, "")
            if self._row.get(name) is not None:
                return name
        return None

    def named(self, name: str) -> Any:
        return self._row.get(self._names.get(name, name))

    def text(self, field: str) -> str | None:
        name = self.column(field)
        return None if name is None else self._text(name, self._row[name])

    def answer(self) -> str | None:
        name = self.column("answer")
        if name is not None:
            value = self._row[name]
            if isinstance(value, list):
                return self._several(name, value)
            return gold_answer(self._text(name, value))
        solution = None
        if "answer" not in self._columns:
            solution = self.named(_SOLUTION)
        if isinstance(solution, str) and files.is_text(solution):
            found = gold_answer(solution)
            return None if found == solution else found
        return None

    def level(self) -> int | None:
        """A whole number or `Level 3`; what else files call so is left out."""
        name = self.column("level")
        value = None if name is None else self._row[name]
        if isinstance(value, bool) or not isinstance(value, int | str):
            return None
        match = _LEVEL.fullmatch(str(value).strip())
        return int(match[1]) if match else None

    def refuse_choices(self) -> None:
        for name in _CHOICES:
            if self.named(name) and "problem" not in self._columns:
                raise ValueError(
                    f"{self._place}: {name!r} holds choices, and problems of "
                    "multiple choice are not read; write the choices into the "
                    "problem's text, or leave them out with "
                    f"--columns=problem={self.column('problem')}"
                )

    def _several(self, name: str, values: list) -> str:
        """Several golds, all of which an answer must name, in any order.

        Equal ones count once, so that a list of spellings is one gold.
        """
        if len(values) > _MOST_GOLDS:
            raise ValueError(
                f"{self._place}: {shown(name)} has {len(values)} values; at "
                f"most {_MOST_GOLDS} are read"
            )
        kept: list[str] = []
        for value in values:
            text = gold_answer(self._text(name, value)).strip()
            if len(values) > 1 and re.fullmatch(r"\$[^$]*\$", text):
                text = text[1:-1]
            if not any(is_equivalent(text, other) for other in kept):
                kept.append(text)
        if not kept:
            raise ValueError(f"{self._place}: {shown(name)} is empty")
        return kept[0] if len(kept) == 1 else f"{{{', '.join(kept)}}}"

    def _text(self, name: str, value: Any) -> str:
        """A value as text: of numbers and booleans too."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int) or (
            isinstance(value, float) and math.isfinite(value)
        ):
            return str(value)
        where = f"{self._place}: {shown(name)}"
        if not isinstance(value, str):
            raise ValueError(
                f"{where} is {shown(value)}; write text or a number"
            )
        if not value.strip():
            raise ValueError(f"{where} is empty")
        if not files.is_text(value):
            raise ValueError(f"{where} holds half of a surrogate pair")
        return value


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
