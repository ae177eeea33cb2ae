"""Majority voting on GSM8K with a real chat model, with and without checks.

    python benchmarks/gsm8k.py --model=FOLDER --data=gsm8k_test.jsonl \\
        --output=runs/gsm8k

Each style of prompt samples `--branches` chains of at most `--tokens` tokens
for each of the first `--limit` problems: `chat` is the model's own template,
`cot` asks for steps and a boxed answer, `tir` for Python programs, which run in
the sandbox as the chain goes on. Chains are kept in OUTPUT/STYLE.jsonl, a line
a problem; the command goes on where a killed one stopped.

Sampling does not depend on checks, so both votes of a style are of the same
chains: of all that ended, and of those in which the checks found nothing
false, where a chain with a doubt counts a quarter. Accuracy is in % with 95 %
Wilson intervals; `one chain` is the share of all chains that are right, those
that did not end among them.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import time
from collections.abc import Sequence

import numpy as np

import jaxlrm
from jaxlrm import files, locks
from jaxlrm.engine import voting
from jaxlrm.engine.loading import enable_compilation_cache
from jaxlrm.engine.solution import Solution, Step
from jaxlrm.evaluate import datasets, summary
from jaxlrm.verify import judging
from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.workers import Pool

STYLES = ("chat", "cot", "tir")


def main() -> None:
    """Samples what is missing, judges it, and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--output", default="runs/gsm8k")
    parser.add_argument("--styles", type=_styles, default="chat,tir")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--branches", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--temperature", type=float, default=0.7)
    arguments = parser.parse_args()
    examples = datasets.read_dataset(arguments.data)[: arguments.limit]
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    enable_compilation_cache()
    paths = {style: output / f"{style}.jsonl" for style in arguments.styles}
    known = {example.id for example in examples}
    with locks.lock(output):
        lines = {style: read(path) for style, path in paths.items()}
        if any(known - {x["id"] for x in some} for some in lines.values()):
            with jaxlrm.load(arguments.model) as engine:
                for style, path in paths.items():
                    search = {
                        "strategy": "majority",
                        "branches": arguments.branches,
                        "chain_tokens": arguments.tokens,
                        "temperature": arguments.temperature,
                        "verifiers": "none",
                        "prompt": style,
                    }
                    sample(engine, examples, search, path)
    print(
        "| style | one chain | majority | with checks | chains refuted "
        "(of right ones) | in doubt | tokens | seconds |\n|" + "---|" * 8
    )
    with Pool(modules=("jaxlrm.verify.judging",)) as pool:
        for style, path in paths.items():
            some = [line for line in read(path) if line["id"] in known]
            print(row(style, some, arguments.branches, pool), flush=True)


def _styles(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in STYLES]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no style {', '.join(unknown)}; choose among {', '.join(STYLES)}"
        )
    return names


def sample(engine, examples, search: dict, path: pathlib.Path) -> None:
    """Adds the chains of the problems that `path` has no line of."""
    done = {line["id"] for line in read(path)}
    pending = [example for example in examples if example.id not in done]
    if not pending:
        return
    began = mark = time.monotonic()
    with open(path, "ab", buffering=0) as file:

        def finished(index: int, solution: Solution) -> None:
            nonlocal mark
            now = time.monotonic()
            line = {
                "id": pending[index].id,
                "problem": pending[index].problem,
                "gold": pending[index].answer,
                "chains": chains_of(solution),
                "tokens": solution.tokens["generator"],
                "seconds": round(now - mark, 3),
                "search": search,
            }
            mark = now
            files.append_line(file, json.dumps(line).encode())
            print(
                f"{path.stem}: {pending[index].id}, {now - began:.0f} s",
                file=sys.stderr,
                flush=True,
            )

        engine.solve(
            [example.problem for example in pending],
            finished=finished,
            **search,
        )


def read(path: pathlib.Path) -> list[dict]:
    """The whole lines of a file; a last one that a kill cut off is removed."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        path.write_bytes(whole)
    return [json.loads(line) for line in whole.splitlines()]


def chains_of(solution: Solution) -> list[dict]:
    """The chains that came to an end, with what tools wrote in them."""
    chains = []
    for index, thought in enumerate(solution.thoughts):
        if thought.kind != "answer":
            continue
        path = []
        while index >= 0:
            path.append(solution.thoughts[index])
            index = path[-1].parent
        chains.append(
            {
                "thoughts": [
                    [step.text, step.kind, step.output]
                    for step in reversed(path)
                ],
                "count": thought.count,
            }
        )
    return chains


def row(style: str, lines: Sequence[dict], branches: int, pool: Pool) -> str:
    """A row of the table, out of the chains of one style."""
    plain, checked = [], []
    right = refuted = refuted_right = doubtful = 0
    for line in lines:
        chains = line["chains"]
        jobs = [_job(line["problem"], chain) for chain in chains]
        found = [
            (Verdict(r[0]), r[1], r[2])
            if isinstance(r, list | tuple)
            else (r, False, None)
            for r in pool.start(judging.judge, jobs, plain=True).result()
        ]
        answers = [answer for *_, answer in found]
        jobs = [
            (line["problem"], None, answer or "", line["gold"])
            for answer in answers
        ]
        correct = [
            answer is not None and is_right is True
            for answer, is_right in zip(
                answers,
                pool.start(judging.is_correct, jobs, plain=True).result(),
                strict=True,
            )
        ]
        count = np.array([chain["count"] for chain in chains], int)
        false = np.array([v is Verdict.INVALID for v, *_ in found], bool)
        doubt = np.array([d for _, d, _ in found], bool)
        good = np.array(correct, bool)
        right += int(count[good].sum())
        refuted += int(count[false].sum())
        refuted_right += int(count[false & good].sum())
        doubtful += int(count[doubt & ~false].sum())
        for votes, checks in ((plain, False), (checked, True)):
            votes.append(_wins(chains, found, correct, checks, pool))
    number, samples = len(lines), branches * len(lines)
    tokens = sum(line["tokens"] for line in lines) / max(number, 1)
    seconds = sum(line["seconds"] for line in lines) / max(number, 1)
    cells = [
        style,
        f"{100 * right / max(samples, 1):.1f}",
        _accuracy(plain),
        _accuracy(checked),
        f"{refuted} of {samples} ({refuted_right} of {right})",
        str(doubtful),
        f"{tokens:,.0f}",
        f"{seconds:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _job(problem: str, chain: dict) -> tuple:
    """Of `judging.judge`, for a whole chain."""
    text = "".join(
        said + (f"\n{output}\n" if output else "\n\n" if kind != "open" else "")
        for said, kind, output in chain["thoughts"]
    )
    return (problem, None, [], text, 0, True, True, False, text)


def _wins(chains, found, correct, checks: bool, pool: Pool) -> bool:
    """Is the answer that most chains vote for right?"""
    ended = []
    for chain, (verdict, doubt, answer) in zip(chains, found, strict=True):
        step = Step("answer", (), None, None, count=chain["count"])
        step.verdict = verdict if checks else Verdict.UNKNOWN
        step.kept = step.verdict is not Verdict.INVALID
        step.doubtful, step.answer = checks and doubt, answer
        ended.append(step)
    standing = voting.candidates([s for s in ended if s.answer is not None])
    if not standing:
        return False
    job = ([step.answer for step in standing],)
    (grouped,) = pool.start(judging.group, [job], plain=True).result()
    _, best = voting.count(standing, *grouped, "count")
    return correct[ended.index(best)]


def _accuracy(wins: Sequence[bool]) -> str:
    low, high = summary.wilson(sum(wins), len(wins))
    share = sum(wins) / max(len(wins), 1)
    return f"{100 * share:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


if __name__ == "__main__":
    main()
