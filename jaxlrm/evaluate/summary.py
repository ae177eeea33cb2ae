"""Accuracy and cost of records, with intervals, and tables of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxlrm.config import STRATEGIES
from jaxlrm.files import visible

Record = Mapping[str, Any]  # a line of records.jsonl, see `evaluate.to_record`

# Normal quantile of a two-sided 95 % interval.
_Z = 1.959963984540054


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


COLUMNS = {
    "none": "no verifier",
    "learned": "learned scores",
    "symbolic": "symbolic steps",
    "both": "both",
    "auto": "auto",
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
                    f"{title} {visible(name, lines=False)}",
                    {key: s[kind][name] for key, s in summaries.items()},
                    branches,
                )
                for name in first[kind]
            ]
    return "\n".join(parts)


def _table(title: str, summaries, branches: int) -> str:
    found = [strategy for strategy, _ in summaries]
    # One's own, MODULE:FUNCTION, come last.
    strategies = [s for s in STRATEGIES if s in found]
    strategies += dict.fromkeys(s for s in found if s not in STRATEGIES)
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
