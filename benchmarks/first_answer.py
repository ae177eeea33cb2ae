"""How long the first answer takes, from starting the program to its exit.

    python benchmarks/first_answer.py [--runs=5]

Cold: nothing is compiled yet (a new compilation cache). Warm: the same command
again. Then DVTS, and after it MCTS, for which the models are compiled already,
and MCTS cold. One problem, 16 branches, else a beam, the shipped model. The
limit printed beside them is the start of Python with JAX and its backend, which
no program that uses JAX goes below.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

SOLVE = [
    "-m",
    "launch.solve",
    "--problem=Solve 735*f + 4060 = 938*f for f.",
    "--branches=16",
    "--format=json",
]
OTHERS = ("dvts", "mcts")
JAX_ALONE = ["-c", "import jax; jax.numpy.zeros(1).block_until_ready()"]


def seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """Wall time of one run of Python."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": folder}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        floor = [seconds(JAX_ALONE, environment) for _ in range(runs)]
        cold = seconds(SOLVE, environment)
        warm = [seconds(SOLVE, environment) for _ in range(runs)]
        after = [
            (name, [seconds([*SOLVE, f"--strategy={name}"], environment)])
            for name in OTHERS
        ]
    with tempfile.TemporaryDirectory() as folder:
        environment["XDG_CACHE_HOME"] = folder
        last = [*SOLVE, f"--strategy={OTHERS[-1]}"]
        alone = seconds(last, environment)
    print("| run | seconds (median) | worst |")
    print("|---|---|---|")
    for name, times in (
        ("JAX alone", floor),
        ("cold", [cold]),
        ("warm", warm),
        *after,
        (f"{OTHERS[-1]}, cold", [alone]),
    ):
        print(f"| {name} | {statistics.median(times):.2f} | {max(times):.2f} |")


if __name__ == "__main__":
    main()
