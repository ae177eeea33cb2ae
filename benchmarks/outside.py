"""Accuracy on problems of two public packages, by their own scorers.

    pip install reasoning-gym mathematics_dataset 'numpy<2'   # an own venv
    python benchmarks/outside.py draw --output=outside.jsonl
    python -m launch.evaluate --dataset=outside.jsonl --output=runs/outside \\
        --branches=64 --rounds=400 --chain_tokens=1500 --tokens=100000
    python benchmarks/outside.py score --output=outside.jsonl \\
        --records=runs/outside/records.jsonl

`draw` and `score` need the packages, `launch.evaluate` does not; it need not
run in the same environment. The problems are drawn with fresh seeds by the
packages' own code, in its default ranges: the training sets of DeepMind's
mathematics dataset (Saxton et al. 2019) and the default configurations of
reasoning-gym (2025). DeepMind's answers are compared as strings; reasoning-gym
scores with `score_answer`, and only 1.0 is right.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import json
import math
import random
import sys

import numpy as np

DEEPMIND = (
    "algebra__linear_1d",
    "algebra__linear_2d",
    "arithmetic__mixed",
    "arithmetic__add_sub_multiple",
    "arithmetic__mul_div_multiple",
    "numbers__gcd",
    "numbers__lcm",
    "polynomials__evaluate",
    "polynomials__expand",
    "calculus__differentiate",
)
_SCORERS = {}  # datasets of reasoning-gym, by name
_OLD_NAMES = {"int": int, "float": float, "bool": bool, "object": object}
REASONING_GYM = (
    "simple_equations",
    "chain_sum",
    "basic_arithmetic",
    "gcd",
    "lcm",
    "countdown",
    "puzzle24",
    "prime_factorization",
    "polynomial_multiplication",
)


def deepmind(name: str, number: int, seed: int):
    """`(problem, answer, None)` of a module of the mathematics dataset."""
    # The package predates the removal of these names.
    for old, new in _OLD_NAMES.items():
        if old not in vars(np):
            setattr(np, old, new)
    for abstract in ("Iterable", "Sequence", "Mapping", "Callable"):
        if not hasattr(collections, abstract):
            found = getattr(
                importlib.import_module("collections.abc"), abstract
            )
            setattr(collections, abstract, found)
    # SymPy has moved this function into a module of the same name since.
    old = importlib.import_module("sympy.solvers.diophantine")
    new = importlib.import_module("sympy.solvers.diophantine.diophantine")
    old.base_solution_linear = new.base_solution_linear
    group, module = name.split("__")
    library = importlib.import_module(f"mathematics_dataset.modules.{group}")
    sample = library.train(lambda range_: range_)[module]
    random.seed(f"{seed}/{name}")
    np.random.seed(random.randrange(2**32))
    while number:
        problem = sample()
        question = str(problem.question)
        if len(question) <= 160:  # as the dataset's own generator does
            yield question, str(problem.answer), None
            number -= 1


def reasoning_gym(name: str, number: int, seed: int):
    """`(problem, answer, entry)` of a dataset of reasoning-gym."""
    package = importlib.import_module("reasoning_gym")
    for entry in package.create_dataset(name, size=number, seed=seed):
        yield entry["question"], str(entry["answer"]), entry


def draw(arguments) -> None:
    """Writes the problems."""
    with open(arguments.output, "w", encoding="utf-8") as file:
        for source, names in (
            (deepmind, DEEPMIND),
            (reasoning_gym, REASONING_GYM),
        ):
            for name in names:
                drawn = source(name, arguments.number, arguments.seed)
                for place, (problem, answer, entry) in enumerate(drawn):
                    line = {
                        "id": f"{source.__name__}/{name}/{place}",
                        "problem": problem,
                        "answer": answer or "0",
                        "entry": entry,
                    }
                    file.write(json.dumps(line, default=str) + "\n")


def score(arguments) -> None:
    """Prints the accuracy of each task and their mean."""
    with open(arguments.records, encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    # Drawing them again would not do: reasoning-gym writes some in an order
    # that changes from process to process.
    with open(arguments.output, encoding="utf-8") as file:
        drawn = {line["id"]: line for line in map(json.loads, file)}
    _check_same(arguments, records, drawn)
    right, tokens = collections.defaultdict(list), []
    for record in records:
        source, name, _ = record["id"].split("/")
        if source == "deepmind":
            good = record["answer"] == record["gold"]
        else:
            good = _gym_score(name, record, drawn[record["id"]]["entry"]) == 1.0
        right[source, name].append(good)
        tokens.append(record["tokens"]["generator"])
    print("| task | right | of | % [95 % interval] |\n|---|---|---|---|")
    shares = {}
    for (source, name), found in right.items():
        shares[name] = 100 * sum(found) / len(found)
        print(
            f"| {source} {name} | {sum(found)} | {len(found)} "
            f"| {shares[name]:.1f} {_interval(found)} |"
        )
    apart = ("countdown", "polynomial_multiplication")
    rest = [share for name, share in shares.items() if name not in apart]
    every = [good for found in right.values() for good in found]
    print(
        f"\nmean of {len(shares)} tasks {np.mean(list(shares.values())):.1f} %"
        f" {_interval(every)}, without {' and '.join(apart)} "
        f"{np.mean(rest):.1f} %; {np.mean(tokens):,.0f} generator tokens a "
        "problem"
    )


def _check_same(arguments, records, drawn) -> None:
    """Ends the program unless there is a record of each problem drawn."""
    seen = {record["id"]: record for record in records}
    for key in seen | drawn:
        record, line = seen.get(key), drawn.get(key)
        if record is None:
            sys.exit(
                f"{arguments.records} has no record of {key}; finish "
                "launch.evaluate"
            )
        asked = record["problem"], record["gold"]
        if line is None or asked != (line["problem"], line["answer"]):
            sys.exit(
                f"{key} in {arguments.records} is not the problem drawn in "
                f"{arguments.output}; evaluate that file"
            )


def _interval(good) -> str:
    """Wilson's, of a share; `jaxlrm` need not be installed here."""
    n, share, square = len(good), sum(good) / len(good), 1.96**2
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    half *= 1.96 / (1 + square / n)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return f"[{100 * low:.1f}, {100 * high:.1f}]"


def _gym_score(name: str, record, entry) -> float:
    package = importlib.import_module("reasoning_gym")
    if name not in _SCORERS:
        _SCORERS[name] = package.create_dataset(name, size=1)
    return _SCORERS[name].score_answer(record["answer"], entry)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("command", choices=("draw", "score"))
    parser.add_argument(
        "--output", default="outside.jsonl", help="the problems drawn"
    )
    parser.add_argument("--records", default="runs/outside/records.jsonl")
    parser.add_argument("--number", type=int, default=50, help="of each task")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    {"draw": draw, "score": score}[arguments.command](arguments)


if __name__ == "__main__":
    sys.exit(main())
