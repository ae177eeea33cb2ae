"""An engine without a model, for the programs around it.

`python -m tests.fakes solve --problem=...` runs a program of launch/ with it.
"""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
import random
import subprocess
import sys
import time
import types

from jaxlrm import extend
from jaxlrm.config import SearchConfig
from jaxlrm.engine.solution import Progress, Solution, Thought, Vote
from jaxlrm.verify import Verdict, judging

SMALL = "mini-linear"  # the quickest of the shipped models


class Engine:
    """Solves at once, by words in the problem.

    `fail`: not searched; `unsolved`: a guess that it does not stand by;
    `lost`: no chain ended; `slow`: a fifth of a second; `hang`: for ever,
    which it says on stderr; `wrong`: the answer 6. All others: the answer
    5. In a batch, problems finish in reverse order.
    """

    name = "fake"
    weights_hash = "0" * 64
    scores = True
    programs = 4

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        pass

    def identity(self):
        return {
            "model": "0" * 16,
            "rewards": [],
            "checkers": [],
            "extensions": [],
        }

    def grade(self, answers):
        return [
            answer is not None
            and judging.is_correct(problem, task, answer, gold)
            for problem, task, answer, gold in answers
        ]

    def resolve(self, config):
        return config

    def task_of(self, problem):
        recognised = extend.recognise(problem)
        return recognised and recognised.family.name

    def solve(
        self,
        problems,
        config=None,
        *,
        planned=None,
        progress=None,
        finished=None,
    ):
        config = config or SearchConfig()
        solutions = {}
        size = config.batch or 8
        if planned:
            planned("memory: enough")
        for start in range(0, len(problems), size):
            batch = range(start, len(problems))[:size]
            for index in reversed(batch):
                solutions[index] = _solve(problems[index], config)
                if progress:
                    progress(
                        Progress(
                            round=len(solutions),
                            finished=len(solutions) - 1,
                            problems=len(problems),
                            branches=config.branches,
                            tokens=1000 * len(solutions),
                            utilisation=0.5,
                            seconds=0.5 * len(solutions),
                            best_score=0.93,
                        )
                    )
                if finished:
                    finished(index, solutions[index])
        return [solutions[index] for index in range(len(problems))]


def run_launch(name: str, *arguments: str) -> subprocess.CompletedProcess:
    """A program of `launch`, as a person runs it."""
    return subprocess.run(
        [sys.executable, "-m", f"launch.{name}", *arguments],
        cwd=pathlib.Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
    )


def load(name="mini", **options):
    """As `jaxlrm.load`."""
    del options
    find(name)
    return Engine()


def find(name):
    """As `jaxlrm.engine.loading.find`."""
    if not name.startswith("mini"):
        raise FileNotFoundError(f"{name}/model.safetensors is missing")


def _solve(problem: str, config: SearchConfig) -> Solution:
    if "slow" in problem:
        time.sleep(0.2)
    if "hang" in problem:
        print("hanging", file=sys.stderr, flush=True)
        while True:
            time.sleep(0.05)
    if "fail" in problem:
        return _failure(problem, config)
    whole = solution(problem, strategy=config.strategy)
    if "wrong" in problem:
        votes = (Vote("6", 1.0, 4, Verdict.UNKNOWN),)
        return dataclasses.replace(whole, answer="6", votes=votes)
    if "unsolved" in problem:
        return dataclasses.replace(
            whole, solved=False, confidence=0.31, verdict=Verdict.UNKNOWN
        )
    if "lost" in problem:
        return dataclasses.replace(
            whole,
            answer=None,
            solved=False,
            confidence=0.0,
            votes=(),
            best_chain=(),
            note="no chain reached an answer",
        )
    return whole


def _failure(problem: str, config: SearchConfig) -> Solution:
    return Solution(
        problem=problem,
        answer=None,
        verdict=Verdict.UNKNOWN,
        confidence=0.0,
        solved=False,
        strategy=config.strategy,
        votes=(),
        best_chain=(),
        thoughts=(),
        tokens={"generator": 0, "verifier": 0},
        seconds={"total": 0.0, "model": 0.0, "verify": 0.0},
        cache={"bytes": 0, "dense": 0, "peak_slots": 0},
        tree={"rounds": 0, "nodes": 0, "pruned": 0},
        note="the prompt has 900 tokens, the model takes 512",
    )


def thought(
    parent: int,
    text: str,
    *,
    round: int = 0,
    kind: str = "step",
    score: float | None = 0.9,
    verdict: Verdict = Verdict.VALID,
    kept: bool = True,
    count: int = 1,
) -> Thought:
    """A thought, mostly of defaults."""
    return Thought(
        parent,
        round,
        text,
        kind,
        score,
        verdict,
        kept,
        count,
        tuple(range(len(text))),
    )


def solution(
    problem: str = "Solve 2*x = 10 for x.",
    thoughts: tuple[Thought, ...] | None = None,
    strategy: str = "beam",
) -> Solution:
    """A solved problem with a small tree."""
    if thoughts is None:
        thoughts = (
            thought(-1, "x = 10/2", score=0.81, count=2),
            thought(
                -1,
                "x = 12",
                score=0.12,
                verdict=Verdict.INVALID,
                kept=False,
            ),
            thought(0, "x = 5", round=1, kind="answer", score=0.97),
        )
    return Solution(
        problem=problem,
        answer="5",
        verdict=Verdict.VALID,
        confidence=0.97,
        solved=True,
        strategy=strategy,
        votes=(
            Vote("5", 0.9, 3, Verdict.VALID),
            Vote("7", 0.1, 1, Verdict.UNKNOWN),
        ),
        best_chain=(0, 2) if len(thoughts) > 2 else (0,),
        thoughts=thoughts,
        tokens={"generator": 1234, "verifier": 567},
        seconds={"total": 1.5, "model": 1.25, "verify": 0.25},
        cache={"bytes": 3 << 20, "dense": 24 << 20, "peak_slots": 310},
        tree={"rounds": 2, "nodes": 2, "pruned": 1},
    )


_PROBLEM = extend.Problem(
    "Solve -3460*z + 3879*z - 3318 + 55693 = 0 for z.",
    "-125",
    "linear",
    (
        "(-3460 + 3879)*z = 3318 - 55693",
        "419*z = 3318 - 55693",
        "419*z = -52375",
        "419*(z + 100) = -52375 + 41900",
        "419*(z + 100) = -10475",
        "419*(z + 120) = -10475 + 8380",
        "419*(z + 120) = -2095",
        "z + 120 = -5",
        "z = -125",
    ),
)


def large(seed: int = 0, branches: int = 16, width: int = 4) -> Solution:
    """A linear equation with a tree as a beam leaves it."""
    rng = random.Random(seed)
    problem = _PROBLEM
    thoughts: list[Thought] = []
    live = [(-1, 0, False)]  # thought, steps made, sides swapped
    ended: list[int] = []
    rounds = 0
    while live and len(ended) < branches // width:
        written: dict[tuple, list] = {}
        for branch in range(branches):
            parent, done, swapped = live[branch * len(live) // branches]
            swap = swapped or rng.random() < 0.12
            jump = 2 if rng.random() < 0.15 else 1
            after = min(done + jump, len(problem.steps))
            text = problem.steps[after - 1]
            verdict = Verdict.VALID
            if rng.random() < 0.35:
                text = _corrupt(text, rng)
                verdict = Verdict.INVALID
            elif rng.random() < 0.08:
                verdict = rng.choice((Verdict.UNKNOWN, Verdict.TIMEOUT))
            last = after == len(problem.steps)
            if swap and not last:
                text = " = ".join(reversed(text.split(" = ")))
            row = written.setdefault((parent, text), [after, swap, verdict, 0])
            row[3] += 1
        candidates = []
        for (parent, text), (after, swap, verdict, count) in written.items():
            good = verdict is not Verdict.INVALID
            score = rng.betavariate(9, 2) if good else rng.betavariate(2, 5)
            candidates.append(
                (score, parent, text, after, swap, verdict, count)
            )
        candidates.sort(key=lambda c: (c[5] is Verdict.INVALID, -c[0]))
        live = []
        for rank, found in enumerate(candidates):
            score, parent, text, after, swap, verdict, count = found
            kept = verdict is not Verdict.INVALID and rank < branches // width
            last = after == len(problem.steps)
            if kept and last:
                ended.append(len(thoughts))
            elif kept:
                live.append((len(thoughts), after, swap))
            thoughts.append(
                thought(
                    parent,
                    text,
                    round=rounds,
                    kind="answer" if last else "step",
                    score=round(score, 3),
                    verdict=verdict,
                    kept=kept,
                    count=count,
                )
            )
        rounds += 1
    chain = []
    node = max(ended, key=lambda index: thoughts[index].score)
    while node >= 0:
        chain.append(node)
        node = thoughts[node].parent
    kept = sum(t.kept for t in thoughts)
    return dataclasses.replace(
        solution(problem.text, tuple(thoughts)),
        answer=problem.answer,
        best_chain=tuple(reversed(chain)),
        votes=(
            Vote(problem.answer, 0.86, 11, Verdict.VALID),
            Vote(str(int(problem.answer) + 10), 0.09, 2, Verdict.UNKNOWN),
            Vote(str(7 - int(problem.answer)), 0.05, 1, Verdict.UNKNOWN),
        ),
        tokens={"generator": 9184, "verifier": 4410},
        tree={"rounds": rounds, "nodes": kept, "pruned": len(thoughts) - kept},
    )


def _corrupt(text: str, rng: random.Random) -> str:
    digits = [i for i, c in enumerate(text) if c.isdigit()]
    place = rng.choice(digits)
    return text[:place] + rng.choice("123456789") + text[place + 1 :]


def main() -> None:
    """Runs a program with `load` in the place of the package's."""
    loading = types.ModuleType("jaxlrm.engine.loading")
    loading.load, loading.find, loading.OWN = load, find, "own"
    loading.enable_compilation_cache = lambda: None
    sys.modules["jaxlrm.engine.loading"] = loading
    importlib.import_module(f"launch.{sys.argv.pop(1)}").run()


if __name__ == "__main__":
    main()
