"""All strategies at equal budgets of generator tokens.

    python benchmarks/budgets.py --model=mini --output=runs/budgets

Held-out problems of the families that the model was trained on, each strategy
with 16 branches and at most 1,000 tokens a problem, 64 and 4,000, 256 and
16,000; learned scores only, symbolic checks only, and both. Greedy decoding is
shown beside them. The command goes on where a killed one stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib

from jaxlrm_launch import console

import jaxlrm
from jaxlrm import SearchConfig
from jaxlrm.config import STRATEGIES
from jaxlrm.engine.loading import enable_compilation_cache
from jaxlrm.evaluate import drawn, run, tables

BUDGETS = {1_000: 16, 4_000: 64, 16_000: 256}  # tokens: branches
VERIFIERS = ("learned", "symbolic", "both")


def main() -> None:
    """Runs what is missing and prints a table for each budget."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="mini")
    parser.add_argument("--output", default="runs/budgets")
    parser.add_argument("--limit", type=int, default=60)
    known = ",".join(map(str, BUDGETS))
    parser.add_argument("--budgets", type=_budgets, default=known)
    arguments = parser.parse_args()
    enable_compilation_cache()
    with jaxlrm.load(arguments.model) as engine:
        examples = drawn.sample_dataset(engine.tasks, arguments.limit)
        for tokens in arguments.budgets:
            table = at_budget(
                engine, examples, tokens, pathlib.Path(arguments.output)
            )
            print(f"## {tokens:,} tokens a problem\n\n{table}", flush=True)


def _budgets(text: str) -> list[int]:
    known = {str(tokens): tokens for tokens in BUDGETS}
    names = text.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no budget {', '.join(unknown)}; choose among {', '.join(known)}"
        )
    return [known[name] for name in names]


def at_budget(engine, examples, tokens: int, output: pathlib.Path) -> str:
    """The table of all strategies at one budget."""
    config = SearchConfig(branches=BUDGETS[tokens], tokens=tokens)
    summaries = {}
    with console.LiveLine() as live:
        for pair in tables.combinations(STRATEGIES, VERIFIERS):
            strategy, verifiers = pair
            name = f"{strategy}-{verifiers}"
            summaries[pair] = run.evaluate(
                engine,
                examples,
                dataclasses.replace(
                    config, strategy=strategy, verifiers=verifiers
                ),
                output / str(tokens) / name,
                recorded=lambda records, name=name: live.show(
                    f"{tokens:,} tokens  {name}  {len(records)}"
                ),
            )
    return tables.table(summaries, BUDGETS[tokens])


if __name__ == "__main__":
    main()
