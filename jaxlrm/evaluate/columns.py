"""The columns that a problem, its answer and its labels are read from."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from jaxlrm import files
from jaxlrm.files import shown, visible
from jaxlrm.verify import is_equivalent
from jaxlrm.verify.answers.grading import gold_answer

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
_LEVEL = re.compile(r"(?:level\s*)?(\d{1,4})", re.IGNORECASE | re.ASCII)
_MOST_GOLDS = 32  # of one problem, each compared with the others


class Cells:
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

    def problem(self) -> str | None:
        """The problem's text, behind what it is about where that is apart."""
        problem = self.text("problem")
        column = self.column("problem") or ""
        if column.casefold() == "question" and "problem" not in self._columns:
            body = self.named(_BODY)
            if isinstance(body, str) and body.strip():
                return f"{body.strip()} {problem}"
        return problem

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
