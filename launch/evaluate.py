"""Measures accuracy and cost over a dataset.

    python -m launch.evaluate --dataset=tasks:linear,arithmetic --output=runs/e

The table of all strategies by verifiers:

    python -m launch.evaluate --dataset=tasks:linear --output=runs/table \\
        --strategy=greedy,majority,best_of_n,weighted,beam \\
        --verifiers=learned,symbolic,both

A dataset is a file as published: JSON lines, JSON, CSV, TSV or Parquet, perhaps
compressed by gzip, with columns `problem` or `question`, and `answer`, or
whatever --columns names (docs/datasets.md). Or it is `tasks:` and names of
generated families, of which held-out problems are drawn: `tasks:gcd,linear` at
the levels of training in turn, `tasks:gcd@6` at level 6, `tasks:all` of every
family. With several models (`--model=mini,runs/l/model`) each has a folder of
its own.

The output folder gets config.json, records.jsonl (a line a problem, as each
finishes), summary.json and table.md, which is also printed. With several
strategies or verifiers each pair has a folder of its own, STRATEGY-VERIFIERS,
in it; greedy and majority choose by no score, so they then run without
verifiers, and majority also on the chains that pass the symbolic checks. The
same command goes on where a killed one stopped.

Exit code: 0 when all is measured, 2 for bad input or flags, 130 if interrupted.
"""

from __future__ import annotations

import pathlib
import sys

from absl import flags

from jaxlrm.config import SearchConfig

from . import console, search_flags
from . import flags as launch_flags

_FAMILIES = "jaxlrm.families"  # of which problems may be drawn
_DRAWN = 200  # problems, where the dataset is drawn and has no end

_DATASET = launch_flags.define_path(
    "dataset",
    "FILE.jsonl, .json, .csv, .tsv or .parquet, or tasks:NAME,NAME.",
    required=True,
)
_OUTPUT = launch_flags.define_path(
    "output", "Folder of the results.", required=True
)
_STRATEGY = flags.DEFINE_list(
    "strategy", SearchConfig.strategy, "Strategies, separated by commas."
)
_VERIFIERS = flags.DEFINE_list(
    "verifiers",
    SearchConfig.verifiers,
    "Which verifiers judge (auto, learned, symbolic, both, none), separated "
    "by commas.",
)
_CONFIG = search_flags.define_search()
_MODEL = search_flags.ModelFlags(several=True)
_COLUMNS = launch_flags.define_columns()
_LIMIT = flags.DEFINE_integer(
    "limit",
    None,
    f"Problems in all; by default all of a file, or {_DRAWN} drawn ones.",
    lower_bound=1,
)


def main(argv: list[str]) -> int:
    """Runs the evaluation and prints its table."""
    del argv
    try:
        _evaluate()
    except (OSError, ValueError) as error:
        print(console.message(error), file=sys.stderr)
        console.leave(2)
    except KeyboardInterrupt:
        print(
            "interrupted; the same command goes on from here", file=sys.stderr
        )
        console.leave(130)
    return 0


def _evaluate() -> None:
    with console.interruptible():
        from jaxlrm import files
        from jaxlrm.evaluate import tables

    examples = _read()
    pairs = tables.combinations(_STRATEGY.value, _VERIFIERS.value)
    configs = {pair: _CONFIG(*pair) for pair in pairs}
    names = _MODEL.names()
    titles = [pathlib.Path(name).name for name in names]
    if len(set(titles)) < len(titles):
        raise ValueError(
            f"models {', '.join(names)} would share a folder; give folders of "
            "different names"
        )
    _MODEL.find()  # all of them, before any is measured
    output = pathlib.Path(_OUTPUT.value)
    output.mkdir(parents=True, exist_ok=True)
    printed = []
    with console.LiveLine() as live:
        for name, title in zip(names, titles, strict=True):
            alone = len(names) == 1
            folder = output if alone else output / title
            summaries = _run(live, name, title, examples, configs, folder)
            branches = _CONFIG(*pairs[0]).branches
            table = tables.table(summaries, branches)
            printed.append(table if alone else f"Model {title}\n\n{table}")
    files.write(output / "table.md", "\n".join(printed))
    sys.stdout.reconfigure(errors="replace")
    console.write("\n".join(printed).rstrip())


def _run(live, name: str, title: str, examples, configs, output):
    """The summaries of one model, by strategy and verifiers."""
    with console.interruptible():
        from jaxlrm.evaluate.run import evaluate

    summaries = {}
    live.show(f"loading {title}")
    with _MODEL.load(name) as engine:
        console.say_verifiers(live, engine, next(iter(configs.values())))
        for pair, config in configs.items():
            label = "-".join(pair)
            folder = output if len(configs) == 1 else output / label
            line = _Line(live, f"{title} {label}", len(examples))
            summaries[pair] = evaluate(
                engine,
                examples,
                config,
                folder,
                planned=lambda plan: console.say_plan(live, plan),
                progress=line.progress,
                recorded=line.recorded,
            )
    return summaries


def _read():
    """The examples that the flags name."""
    with console.interruptible():
        from jaxlrm.evaluate import datasets, drawn

    kind, colon, names = _DATASET.value.partition(":")
    of_families = kind == "tasks" and colon
    _MODEL.extend(*([_FAMILIES] if of_families else []))
    if of_families:
        names = [name.strip() for name in names.split(",") if name.strip()]
        return drawn.sample_dataset(names, _LIMIT.value or _DRAWN)
    found = datasets.read_dataset(_DATASET.value, _COLUMNS.value)
    return found[: _LIMIT.value]


class _Line:
    """What the live line says about one run."""

    def __init__(self, live, name: str, total: int):
        self._live, self._name, self._total = live, name, total
        self._records, self._round = "", ""

    def recorded(self, records) -> None:
        correct = sum(record["correct"] for record in records)
        self._records = f"{len(records)}/{self._total}, {correct} correct"
        self._show()

    def progress(self, progress) -> None:
        self._round = f" · {console.describe(progress)}"
        self._show()

    def _show(self) -> None:
        self._live.show(f"{self._name}: {self._records}{self._round}")


def run() -> None:
    """Entry point of the console script."""
    launch_flags.run(main)


if __name__ == "__main__":
    run()
