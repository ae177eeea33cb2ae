"""The Game of 24: all 1,362 hands of 1 to 13 that can be solved.

    python benchmarks/game24.py --model=mini --output=runs/game24

Each hand gets one answer, an expression that is checked. Beside the search are
shown: greedy decoding, and moves drawn uniformly at random among the legal
ones, with as many moves a hand as the search wrote steps. A third of the hands
never entered training (`jaxlrm/families/game24_unseen.txt`). The command goes
on where a killed one stopped.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import random

from jaxlrm_launch import console

import jaxlrm
from jaxlrm import SearchConfig
from jaxlrm.engine.loading import enable_compilation_cache
from jaxlrm.evaluate import datasets, run, summary
from jaxlrm.families import countdown

TOKENS = 2000  # that the generator may write for a hand


def hands() -> list[datasets.Example]:
    """All solvable hands; those kept from training have ids `unseen/...`."""
    unseen = set(countdown.unseen_hands())
    return [
        datasets.Example(
            f"{'unseen' if hand in unseen else 'seen'}/"
            + "-".join(map(str, hand)),
            f"Use {', '.join(map(str, hand))} to make 24.",
            "24",
            "game24",
        )
        for hand in countdown.hands()
    ]


def solved_at_random(hand, expansions: int, rng: random.Random) -> bool:
    """Do that many random moves, in games one after another, make 24?"""
    left = expansions
    while left >= len(hand) - 1:
        numbers = list(hand)
        while len(numbers) > 1:
            move = rng.choice(countdown.moves(numbers))
            numbers.remove(move.left)
            numbers.remove(move.right)
            numbers.append(move.result)
            left -= 1
        if numbers == [24]:
            return True
    return False


def main() -> None:
    """Runs what is missing and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="mini")
    parser.add_argument("--reward", default=None)
    parser.add_argument("--output", default="runs/game24")
    parser.add_argument("--strategy", default="beam")
    parser.add_argument("--verifiers", default="both")
    parser.add_argument("--branches", type=int, default=48)
    parser.add_argument("--width", type=int, default=2)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--limit", type=int, default=None)
    arguments = parser.parse_args()
    enable_compilation_cache()
    output = pathlib.Path(arguments.output)
    examples = hands()
    if arguments.limit:
        random.Random(0).shuffle(examples)
        examples = examples[: arguments.limit]
    common = {"chain_tokens": 96, "step_tokens": 24}
    runs = {
        "greedy": SearchConfig(strategy="greedy", verifiers="none", **common),
        arguments.strategy: SearchConfig(
            strategy=arguments.strategy,
            verifiers=arguments.verifiers,
            branches=arguments.branches,
            width=arguments.width,
            temperature=arguments.temperature,
            rounds=4,
            tokens=TOKENS,
            **common,
        ),
    }
    rows = []
    with (
        jaxlrm.load(arguments.model, reward=arguments.reward) as engine,
        console.LiveLine() as live,
    ):
        for name, config in runs.items():
            folder = output / name
            run.evaluate(
                engine,
                examples,
                config,
                folder,
                recorded=lambda records, name=name: live.show(
                    f"{name} {len(records)}"
                ),
            )
            lines = (folder / "records.jsonl").read_text().splitlines()
            records = [json.loads(line) for line in lines]
            rows.append((name, {r["id"]: r["correct"] for r in records}))
            tokens = [r["tokens"]["generator"] for r in records]
    rng = random.Random(0)
    expansions = 3 * arguments.branches
    rows.append(
        (
            f"{expansions} random legal moves",
            {
                e.id: solved_at_random(
                    tuple(map(int, e.id.partition("/")[2].split("-"))),
                    expansions,
                    rng,
                )
                for e in examples
            },
        )
    )
    print("| | all hands | seen | unseen |\n|---|---|---|---|")
    for name, correct in rows:
        cells = [
            _cell(
                [good for key, good in correct.items() if key.startswith(kind)]
            )
            for kind in ("", "seen/", "unseen/")
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    print(
        f"\ngenerator tokens a hand of the search: mean "
        f"{sum(tokens) / len(tokens):,.0f}, most {max(tokens):,}"
    )


def _cell(found) -> str:
    low, high = summary.wilson(sum(found), len(found))
    share = 100 * sum(found) / max(1, len(found))
    return f"{share:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of {len(found)}"


if __name__ == "__main__":
    main()
