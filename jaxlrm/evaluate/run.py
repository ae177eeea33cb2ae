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

from jaxlrm import files, locks
from jaxlrm.config import SearchConfig, to_json
from jaxlrm.engine.solution import ProgressCallback, Solution
from jaxlrm.evaluate.datasets import Example
from jaxlrm.evaluate.records import Record, read_records, to_record
from jaxlrm.evaluate.summary import summarise
from jaxlrm.files import shown, visible

if TYPE_CHECKING:
    from jaxlrm.engine.engine import Engine
    from jaxlrm.engine.memory import Plan


def evaluate(
    engine: Engine,
    examples: Sequence[Example],
    config: SearchConfig,
    folder: str | pathlib.Path,
    *,
    planned: Callable[[Plan], None] | None = None,
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
        planned: called by the engine before the first round.
        progress: likewise, after each round.
        recorded: called with all records so far, at the start and after each
            problem.

    Returns:
        The summary, as in `summary.json`; see `summary.summarise`.

    Raises:
        ValueError: the folder holds records of another configuration or of
            other problems, or a broken record.
        BlockingIOError: another process writes into the folder.
        OSError: the folder cannot be written; names the file.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locks.lock(folder):
        return _evaluate(
            engine,
            examples,
            config,
            folder,
            recorded,
            planned=planned,
            progress=progress,
        )


def _evaluate(
    engine: Engine,
    examples: Sequence[Example],
    config: SearchConfig,
    folder: pathlib.Path,
    recorded: Callable[[Sequence[Record]], None] | None,
    **told: Any,
) -> dict[str, Any]:
    path = folder / "records.jsonl"
    resolved = resolve(engine, config)
    records, size = read_records(path, examples)
    if records:
        _check_same(folder / "config.json", resolved)
        # The rest is a line that a kill cut off.
        with files.naming(path):
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
                example = pending[index]
                asked = example.problem, example.task
                (correct,) = engine.grade(
                    [(*asked, solution.answer, example.answer)]
                )
                record = to_record(example, solution, config, correct)
                files.append_line(file, json.dumps(record).encode())
                records.append(record)
                if recorded:
                    recorded(records)

            engine.solve(
                [example.problem for example in pending],
                config,
                finished=finished,
                **told,
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
        "search": to_json(engine.resolve(config)),
        "model": engine.name,
        "weights": engine.weights_hash,
        "engine": engine.identity(),
        "jaxlrm": version,
    }


def _check_same(path: pathlib.Path, resolved: Mapping[str, Any]) -> None:
    try:
        before = _flat(files.read_object(path).values)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{visible(str(path), lines=False)} cannot be read "
            f"({error}), so the records beside it cannot be continued; choose "
            "another output folder"
        ) from None
    now = _flat(resolved)
    for name in now | before:
        if now.get(name) != before.get(name):
            was, is_now = (
                shown(values[name]) if name in values else "not recorded"
                for values in (before, now)
            )
            folder, name = (
                visible(text, lines=False) for text in (str(path.parent), name)
            )
            raise ValueError(
                f"{folder} holds records of another run: {name} was {was} and "
                f"is {is_now} now; choose another output folder"
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
    files.write(path, json.dumps(record, indent=2) + "\n")
