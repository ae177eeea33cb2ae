"""Accuracy and cost of records, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Record = Mapping[str, Any]  # a line of records.jsonl, see `records.to_record`

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
