"""Tables of strategies by verifiers: what is run for one, and its text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxlrm.config import STRATEGIES
from jaxlrm.files import visible

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
