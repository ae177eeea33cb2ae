"""How many problems to search side by side on this machine.

    python benchmarks/batch.py [--model=mini] [--batches=1,2,4,8]

A beam of 64 branches over held-out problems of all families of the model. The
same tokens are written whatever the batch is, so tokens a second tell which
batch is best. Programs are compiled before the clock starts. A processor
second is one of one core.
"""

from __future__ import annotations

import argparse
import time

import jaxlrm
from jaxlrm.engine.loading import enable_compilation_cache
from jaxlrm.evaluate import drawn


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--batches", default="1,2,4,8")
    parser.add_argument("--branches", type=int, default=64)
    parser.add_argument("--problems", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=8_000, help="a problem")
    arguments = parser.parse_args()
    enable_compilation_cache()
    print("| batch | tokens | tokens/s | tokens a processor second |")
    print("|---|---|---|---|")
    with jaxlrm.load(arguments.model) as engine:
        examples = drawn.sample_dataset(engine.tasks, arguments.problems)
        problems = [example.problem for example in examples]
        for batch in map(int, arguments.batches.split(",")):

            def solve(batch=batch):
                return engine.solve(
                    problems,
                    strategy="beam",
                    branches=arguments.branches,
                    tokens=arguments.tokens,
                    batch=batch,
                )

            solve()
            wall, processor = time.perf_counter(), time.process_time()
            solutions = solve()
            wall = time.perf_counter() - wall
            processor = time.process_time() - processor
            tokens = sum(found.tokens["generator"] for found in solutions)
            print(
                f"| {batch} | {tokens:,} | {tokens / wall:,.0f} "
                f"| {tokens / processor:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
