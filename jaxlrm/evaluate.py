"""Evaluation of a search over a dataset: records that survive a kill.

A folder of results holds `config.json` (what was run), `records.jsonl` (a line
a problem, written as each finishes) and, at the end, `summary.json`. Running
the same evaluation again goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

from jaxlrm.config import SearchConfig, to_json
from jaxlrm.datasets import Example, is_correct
from jaxlrm.solution import ProgressCallback, Solution
from jaxlrm.summary import summarise

if TYPE_CHECKING:
    from jaxlrm.engine import Engine

Record = dict[str, Any]


def evaluate(
    engine: Engine,
    examples: Sequence[Example],
    config: SearchConfig,
    folder: str | pathlib.Path,
    *,
    progress: ProgressCallback | None = None,
    recorded: Callable[[Sequence[Record]], None] | None = None,
) -> dict[str, Any]:
    """Solves every example and writes what came out.

    Examples that the folder has a record of are not solved again, so a killed
    run goes on where it stopped. A failure counts as an answer that is wrong.

    Args:
        engine: what solves.
        examples: with their gold answers.
        config: of the search.
        folder: of the results; made if it is missing.
        progress: called by the engine after each round.
        recorded: called with all records so far, at the start and after each
            problem.

    Returns:
        The summary, as in `summary.json`; see `summary.summarise`.

    Raises:
        ValueError: the folder holds records of another configuration or of
            other problems, or a broken record.
        OSError: the folder cannot be written.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "records.jsonl"
    resolved = resolve(engine, config)
    records, size = _read_records(path, examples)
    if records:
        _check_same(folder / "config.json", resolved)
        # The rest is a line that a kill cut off.
        os.truncate(path, size)
    else:
        _write_json(folder / "config.json", resolved)
    done = {record["id"] for record in records}
    pending = [example for example in examples if example.id not in done]
    if recorded:
        recorded(records)
    if pending:
        # Unbuffered: a line is written at once or, if killed, cut off.
        with open(path, "ab" if records else "wb", buffering=0) as file:

            def finished(index: int, solution: Solution) -> None:
                record = to_record(pending[index], solution, config)
                file.write(json.dumps(record).encode() + b"\n")
                os.fsync(file.fileno())
                records.append(record)
                if recorded:
                    recorded(records)

            engine.solve(
                [example.problem for example in pending],
                config,
                progress=progress,
                finished=finished,
            )
    summary = summarise(records)
    _write_json(folder / "summary.json", summary)
    return summary


def resolve(engine: Engine, config: SearchConfig) -> dict[str, Any]:
    """Everything that decides the records, as in `config.json`."""
    try:
        version = metadata.version("jaxlrm")
    except metadata.PackageNotFoundError:
        version = "uninstalled"
    return {
        "search": to_json(config),
        "model": engine.name,
        "weights": engine.weights_hash,
        "engine": engine.identity(),
        "jaxlrm": version,
    }


def to_record(
    example: Example, solution: Solution, config: SearchConfig
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
        "correct": is_correct(example, solution.answer),
        "verdict": solution.verdict.name,
        "confidence": round(solution.confidence, 4),
        "strategy": config.strategy,
        "branches": 1 if config.strategy == "greedy" else config.branches,
        "seed": config.seed,
        "tokens": dict(solution.tokens),
        "seconds": {k: round(v, 4) for k, v in solution.seconds.items()},
        "error": (solution.note or "not searched") if failed else None,
    }


def _read_records(
    path: pathlib.Path, examples: Sequence[Example]
) -> tuple[list[Record], int]:
    """The complete lines of `path`, and their size in bytes."""
    known = {example.id: example for example in examples}
    records: dict[str, Record] = {}
    data = path.read_bytes() if path.exists() else b""
    size = data.rfind(b"\n") + 1
    lines = data[:size].splitlines()
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        try:
            record = json.loads(line)
            key = record["id"]
            # The task picks the checker.
            asked = (record["problem"], record["gold"], record["task"])
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"{where}: not a record; delete the line, and its problem is "
                "solved again"
            ) from None
        example = known.get(key)
        if example is None:
            raise ValueError(
                f"{where}: problem {key!r} is not among the {len(known)} of "
                f"this dataset, and the file has {len(lines)} records; if "
                "--limit was higher, give that again, or choose another "
                "output folder"
            )
        if asked != (example.problem, example.answer, example.task):
            raise ValueError(
                f"{where}: problem {key!r} is not that of this dataset; choose "
                "another output folder"
            )
        if key in records:
            raise ValueError(
                f"{where}: a second record of {key!r}; delete one of them"
            )
        records[key] = record
    return list(records.values()), size


def _check_same(path: pathlib.Path, resolved: Mapping[str, Any]) -> None:
    try:
        before = _flat(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, AttributeError):
        raise ValueError(
            f"{path} cannot be read, so the records beside it cannot be "
            "continued; choose another output folder"
        ) from None
    now = _flat(resolved)
    for name in now | before:
        if now.get(name) != before.get(name):
            was, is_now = (
                repr(values[name]) if name in values else "not recorded"
                for values in (before, now)
            )
            raise ValueError(
                f"{path.parent} holds records of another run: {name} was "
                f"{was} and is {is_now} now; choose another output folder"
            )


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _write_json(path: pathlib.Path, record: Mapping[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    os.replace(part, path)
