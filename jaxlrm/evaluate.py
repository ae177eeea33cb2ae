"""Accuracy and cost over a dataset: records that survive a kill, a summary.

A folder of results holds `config.json` (what was run), `records.jsonl` (a line
a problem, written as each finishes) and, at the end, `summary.json`. Running
the same evaluation again goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxlrm import tasks
from jaxlrm.config import STRATEGIES, SearchConfig, to_json
from jaxlrm.solution import ProgressCallback, Solution
from jaxlrm.verify import is_equivalent

if TYPE_CHECKING:
    from jaxlrm.engine import Engine

Record = dict[str, Any]

# Training draws from streams named by its seed and step, never from this one.
HELD_OUT = "held-out"

_TRIES = 1000  # draws for a problem that is not there yet

# Normal quantile of a two-sided 95 % interval.
_Z = 1.959963984540054


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


# --- Datasets ---------------------------------------------------------------


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
    easy problem may all the same have been met there. The first problems are
    the same for every `number`.

    Args:
        names: of families in `jaxlrm.tasks`, with a level of difficulty as in
            `gcd@6`, or without, for the levels of training in turn; `all` is
            every family, `all@6` at one level.
        number: problems in all.
        seed: of the draw.

    Raises:
        ValueError: no name, an unknown one, or a number that is not positive.
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
        tries += 1
        if problem.text in seen and tries < _TRIES:
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


def _sources(name: str) -> list[tuple[str, tasks.Task, int]]:
    """`(name, family, level)` of each family that `name` stands for."""
    family, at, level = name.partition("@")
    if at and level not in map(str, tasks.LEVELS):
        raise ValueError(
            f"unknown level {level!r} in {name!r}; levels are "
            f"{tasks.LEVELS[0]} to {tasks.LEVELS[-1]}"
        )
    families = list(tasks.TASKS) if family == "all" else [family]
    return [(f + at + level, tasks.get(f), int(level or 0)) for f in families]


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


def _objects(name: str, text: str) -> Iterable[tuple[int, Record]]:
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
    name: str, records: Iterable[tuple[int, Record]], needed: Sequence[str]
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


def _example(record: Record, number: int, needed: Sequence[str]) -> Example:
    values = {}
    for field in ("id", "problem", "answer", "task"):
        value = record.get(field)
        if value is None and field in needed:
            raise ValueError(f"{field!r} is missing")
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


# --- Running ----------------------------------------------------------------


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
        The summary, as in `summary.json`; see `summarise`.

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
    for number, line in enumerate(data[:size].splitlines(), 1):
        where = f"{path}:{number}"
        try:
            record = json.loads(line)
            key = record["id"]
            asked = (record["problem"], record["gold"])
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"{where}: not a record; delete the line, and its problem is "
                "solved again"
            ) from None
        example = known.get(key)
        if example is None or asked != (example.problem, example.answer):
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
            raise ValueError(
                f"{path.parent} holds records of another run: {name} was "
                f"{before.get(name)!r} and is {now.get(name)!r} now; choose "
                "another output folder"
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


# --- Statistics -------------------------------------------------------------


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), of `n` trials.

    Good for few trials and for shares near 0 and 1; `(0, 1)` for no trial.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} trials")
    if n == 0:
        return 0.0, 1.0
    share, square = successes / n, _Z * _Z
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    half *= _Z / (1 + square / n)
    # Exact at the ends, where rounding would leave 1e-17.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return low, high


def summarise(records: Sequence[Record]) -> dict[str, Any]:
    """Accuracy and cost of all records, and of those of each task.

    Returns:
        `n`, `correct`, `accuracy` and `interval` (95 %, `wilson`), `errors`,
        `tokens` (`generator` and `verifier`, each `mean` and `total`),
        `seconds` (`p50` and `p95` of a problem from its start to its end,
        solved beside others), and `tasks` and `levels`: the same by task and
        by level, for records that name one.
    """
    return {
        **_summary(records),
        "tasks": _grouped(records, "task"),
        "levels": _grouped(records, "level"),
    }


def _grouped(records: Sequence[Record], field: str) -> dict[str, Any]:
    values = sorted({r[field] for r in records if r.get(field) is not None})
    return {
        str(value): _summary([r for r in records if r.get(field) == value])
        for value in values
    }


def _summary(records: Sequence[Record]) -> dict[str, Any]:
    n = len(records)
    correct = sum(record["correct"] for record in records)
    tokens = {}
    for kind in ("generator", "verifier"):
        total = sum(record["tokens"].get(kind, 0) for record in records)
        tokens[kind] = {"mean": total / n if n else 0.0, "total": total}
    seconds = [record["seconds"].get("total", 0.0) for record in records]
    p50, p95 = np.percentile(seconds, (50, 95)).tolist() if n else (0.0, 0.0)
    return {
        "n": n,
        "correct": correct,
        "accuracy": correct / n if n else 0.0,
        "interval": list(wilson(correct, n)),
        "errors": sum(record["error"] is not None for record in records),
        "tokens": tokens,
        "seconds": {"p50": p50, "p95": p95},
    }


# --- Tables -----------------------------------------------------------------

COLUMNS = {
    "none": "no verifier",
    "learned": "learned scores",
    "symbolic": "symbolic steps",
    "both": "both",
}
# What each strategy can use; the others use everything. Greedy has nothing to
# choose from, and majority chooses by no score.
_USES = {"greedy": ("none",), "majority": ("none", "symbolic")}


def combinations(
    strategies: Sequence[str], verifiers: Sequence[str]
) -> list[tuple[str, str]]:
    """The runs behind a table of strategies by verifiers.

    One strategy with one choice of verifiers is run as it is asked for. In a
    larger table greedy and majority are the baselines: they run without
    verifiers, and majority also on the chains that pass symbolic checks.

    Raises:
        ValueError: there are no strategies or no verifiers.
    """
    strategies = list(dict.fromkeys(strategies))
    verifiers = list(dict.fromkeys(verifiers))
    if not strategies or not verifiers:
        raise ValueError("name at least one strategy and one of verifiers")
    if len(strategies) == len(verifiers) == 1:
        return [(strategies[0], verifiers[0])]

    def used(strategy: str) -> Iterable[str]:
        uses = _USES.get(strategy)
        if uses is None:
            return verifiers
        return dict.fromkeys(["none", *(v for v in verifiers if v in uses)])

    return [(s, verifier) for s in strategies for verifier in used(s)]


def table(
    summaries: Mapping[tuple[str, str], Mapping[str, Any]], branches: int
) -> str:
    """Accuracy of strategies by verifiers, in Markdown.

    Args:
        summaries: of `summarise`, by strategy and verifiers, about the same
            problems.
        branches: of all strategies but greedy.

    Returns:
        A table for all problems and, where there are several levels or tasks,
        one for each. A combination that was not run is a dash.
    """
    first = next(iter(summaries.values()))
    parts = [_table("All problems", summaries, branches)]
    for kind, title in (("levels", "Level"), ("tasks", "Task")):
        if len(first[kind]) > 1:
            parts += [
                _table(
                    f"{title} {name}",
                    {key: s[kind][name] for key, s in summaries.items()},
                    branches,
                )
                for name in first[kind]
            ]
    return "\n".join(parts)


def _table(title: str, summaries, branches: int) -> str:
    strategies = [s for s in STRATEGIES if any(s == k[0] for k in summaries)]
    columns = [c for c in COLUMNS if any(c == k[1] for k in summaries)]
    rows = [["strategy", *(COLUMNS[column] for column in columns)]]
    for strategy in strategies:
        label = strategy if strategy == "greedy" else f"{strategy}@{branches}"
        cells = [_cell(summaries.get((strategy, c))) for c in columns]
        rows.append([label, *cells])
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    n = next(iter(summaries.values()))["n"]
    lines = [
        f"{title} (n = {n}): accuracy in % [95 % interval], generator tokens "
        "a problem",
        "",
        *(f"| {' | '.join(map(str.ljust, cells, widths))} |" for cells in rows),
        "",
    ]
    return "\n".join(lines)


def _cell(summary: Mapping[str, Any] | None) -> str:
    if summary is None:
        return "–"
    low, high = (100 * bound for bound in summary["interval"])
    accuracy = 100 * summary["accuracy"]
    tokens = summary["tokens"]["generator"]["mean"]
    return f"{accuracy:.1f} [{low:.1f}, {high:.1f}], {tokens:,.0f}"
