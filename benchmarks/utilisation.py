"""How busy the rows of a search are on real problems of unequal lengths.

    python benchmarks/utilisation.py --model=FOLDER --data=gsm8k_test.jsonl
        [--limit=40] [--strategy=majority] [--branches=16] [--tokens=1024]

Utilisation is the share of the row-steps computed (rows times tokens that each
had time for) that wrote a token of a chain. The seconds are those of the whole
call, compiling included.
"""

from __future__ import annotations

import argparse
import time

import jaxlrm
from jaxlrm.engine.loading import enable_compilation_cache
from jaxlrm.engine.solution import Progress
from jaxlrm.evaluate import datasets


def main() -> None:
    """Prints a line for each problem that ends, and the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--strategy", default="majority")
    parser.add_argument("--branches", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=1024)
    flags = parser.parse_args()
    enable_compilation_cache()
    examples = datasets.read_dataset(flags.data)[: flags.limit]
    last: Progress | None = None

    def follow(progress: Progress) -> None:
        nonlocal last
        if last is None or progress.finished > last.finished:
            print(
                f"{progress.finished}/{progress.problems}: "
                f"{progress.tokens:,} tokens, {progress.seconds:.0f} s, "
                f"utilisation {progress.utilisation:.3f}",
                flush=True,
            )
        last = progress

    with jaxlrm.load(flags.model) as engine:
        began = time.perf_counter()
        engine.solve(
            [example.problem for example in examples],
            strategy=flags.strategy,
            branches=flags.branches,
            chain_tokens=flags.tokens,
            verifiers="none",
            progress=follow,
        )
        seconds = time.perf_counter() - began
        print(
            f"utilisation {last.utilisation:.3f}, {last.tokens:,} tokens, "
            f"{seconds:.0f} s, {last.tokens / seconds:.0f} tokens/s, "
            f"{engine.programs} programs"
        )


if __name__ == "__main__":
    main()
