"""The lines of `records.jsonl`: what they hold, and reading them back."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

from jaxlrm import files
from jaxlrm.config import SearchConfig
from jaxlrm.engine.solution import Solution
from jaxlrm.evaluate.datasets import Example
from jaxlrm.files import Fields, shown, visible

Record = dict[str, Any]  # a line of records.jsonl, see `to_record`

_LIMIT = 1 << 32  # bytes of a file of records
_MOST = 1 << 53  # tokens, seconds
_REMEDY = "delete the line, and its problem is solved again"


def to_record(
    example: Example, solution: Solution, config: SearchConfig, correct: bool
) -> Record:
    """The line of `records.jsonl` about one problem.

    `error` says why a problem was not searched at all, and is null where it
    was: not to find an answer is no error.
    """
    failed = solution.answer is None and not solution.thoughts
    return {
        "id": example.id,
        "task": example.task,
        "level": example.level,
        "problem": example.problem,
        "answer": solution.answer,
        "gold": example.answer,
        "correct": correct,
        "verdict": solution.verdict.name,
        "confidence": round(solution.confidence, 4),
        "strategy": config.strategy,
        "branches": 1 if config.strategy == "greedy" else config.branches,
        "seed": config.seed,
        "tokens": dict(solution.tokens),
        "seconds": {k: round(v, 4) for k, v in solution.seconds.items()},
        "error": (solution.note or "not searched") if failed else None,
    }


def read_records(
    path: pathlib.Path, examples: Sequence[Example]
) -> tuple[list[Record], int]:
    """The complete lines of a file of records, and their size in bytes.

    Args:
        path: of the file, which may be missing.
        examples: of the dataset, which the records must be of.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is no record, of another problem, or the second of
            a problem; names the file and the line.
    """
    known = {example.id: example for example in examples}
    records: dict[str, Record] = {}
    data = files.read(path, _LIMIT) if path.exists() else b""
    size = data.rfind(b"\n") + 1
    lines = data[:size].split(b"\n")[:-1]
    name = visible(str(path), lines=False)
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        record = _record(line, where)
        key = record["id"]
        example = known.get(key)
        if example is None:
            raise ValueError(
                f"{where}: problem {shown(key)} is not among the {len(known)} "
                f"of this dataset, and the file has {len(lines)} records; if "
                "--limit was higher, give that again, or choose another "
                "output folder"
            )
        # The task may pick the checker.
        asked = record["problem"], record["gold"], record["task"]
        if asked != (example.problem, example.answer, example.task):
            raise ValueError(
                f"{where}: problem {shown(key)} is not that of this dataset; "
                "choose another output folder"
            )
        if key in records:
            raise ValueError(
                f"{where}: a second record of {shown(key)}; delete one of them"
            )
        records[key] = record
    return list(records.values()), size


def _record(line: bytes, where: str) -> Record:
    try:
        value = files.parse_json(line, where)
        if not isinstance(value, dict):
            raise ValueError(f"{where}: not a record but {shown(value)}")
        fields = Fields(value, where)
        for name in ("id", "problem", "gold"):
            fields.text(name)
        for name in ("task", "error"):
            _there(fields, name)
            fields.text(name, default=None)
        _there(fields, "answer")
        fields.flag("correct")
        fields.integer("level", -_MOST, _MOST, default=None)
        tokens, seconds = fields.object("tokens"), fields.object("seconds")
        for name in tokens.values:
            tokens.integer(name, 0, _MOST)
        for name in seconds.values:
            seconds.number(name, 0, _MOST)
    except ValueError as error:
        raise ValueError(f"{error}; {_REMEDY}") from None
    return value


def _there(fields: Fields, name: str) -> None:
    """Refuses a record without a field that may be null."""
    if name not in fields.values:
        raise ValueError(f"{fields.where} lacks {name!r}")
