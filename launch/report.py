"""A solution as text for a person."""

from __future__ import annotations

from collections.abc import Iterator

from jaxlrm import machine
from jaxlrm.engine.solution import Solution
from jaxlrm.evaluate import words
from jaxlrm.files import visible
from jaxlrm.verify.verdict import Verdict

_BOLD, _DIM, _RED, _GREEN, _YELLOW = "1", "2", "31", "32", "33"
_COLOURS = {Verdict.VALID: _GREEN, Verdict.INVALID: _RED}
_BAR = "│"  # before what a model wrote
_WIDEST = 60  # of the column of steps
_MOST_VOTES = 5
_PROBLEM = 400  # characters of the problem that are repeated


def report(
    solution: Solution,
    *,
    gold: str | None = None,
    correct: bool | None = None,
    programs: int | None = None,
    colour: bool = False,
) -> str:
    """The problem, the winning chain, the answer, the votes and the cost.

    Args:
        solution: of an engine.
        gold: the right answer, if it is known.
        correct: whether the solution's answer equals it.
        programs: how many the engine has compiled so far, see
            `Engine.programs`.
        colour: use ANSI escapes. All others, in any text, are made visible;
            and no text of a model can look like a line of the report.
    """

    def paint(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[m" if colour else text

    problem = solution.problem
    if len(problem) > _PROBLEM:
        problem = f"{problem[:_PROBLEM]}…"
    lines = [paint(visible(problem), _BOLD), ""]
    lines += _chain(solution, paint)
    if solution.best_chain:
        lines.append("")
    rows = [("answer", _answer(solution, paint))]
    if gold is not None:
        word = paint("correct", _GREEN) if correct else paint("wrong", _RED)
        rows.append(("gold", f"{visible(gold, lines=False)}  {word}"))
    rows += _votes(solution)
    rows += [("cost", text) for text in _cost(solution, programs)]
    if solution.note:
        note = visible(solution.note, lines=False)
        rows.append(("note", paint(note, _YELLOW)))
    last = ""
    for name, text in rows:
        label = "" if name == last else name
        lines.append(f"  {paint(f'{label:<8}', _DIM)}{text}")
        last = name
    return "\n".join(lines) + "\n"


def _chain(solution: Solution, paint) -> Iterator[str]:
    """The steps, behind a bar; each with its score and verdict."""
    steps = []
    for index in solution.best_chain:
        thought = solution.thoughts[index]
        *above, last = visible(thought.text).split("\n")
        steps += [(line, None) for line in above]
        steps.append((last, thought))
        if thought.output:
            output = visible(thought.output).split("\n")
            steps += [(line, None) for line in output]
    width = max((len(line) for line, _ in steps), default=0)
    width = min(width, _WIDEST)
    scored = any(t is not None and t.score is not None for _, t in steps)
    for line, thought in steps:
        if thought is None:
            yield f"  {_BAR} {line}"
            continue
        score = "" if thought.score is None else f"{thought.score:.2f}"
        score = f"{paint(f'{score:4}', _DIM)}  " if scored else ""
        icon, word = words.VERDICTS[thought.verdict]
        if thought.doubt:
            word = f"{word}, in doubt"
        verdict = paint(f"{icon} {word}", _COLOURS.get(thought.verdict, _DIM))
        yield f"  {_BAR} {line:<{width}}  {score}{verdict}"


def _answer(solution: Solution, paint) -> str:
    """The answer, and what it is worth: see docs/verdicts.md."""
    if solution.answer is None:
        return paint("none: not answered", _RED)
    answer = paint(visible(solution.answer, lines=False), _BOLD)
    sure = f"{100 * solution.confidence:.0f} % sure"
    if solution.solved:
        return f"{answer}  {paint('solved', _GREEN)}, {sure}"
    return f"{answer}  {paint('answered', _YELLOW)}, {sure}"


def _votes(solution: Solution) -> Iterator[tuple[str, str]]:
    votes = solution.votes[:_MOST_VOTES]
    width = max((len(vote.answer) for vote in votes), default=0)
    for vote in votes:
        answer = visible(vote.answer, lines=False)
        chains = words.plural(vote.count, "chain")
        share = f"{100 * vote.weight:3.0f} %"
        yield "votes", f"{answer:<{min(width, _WIDEST)}}  {share}  {chains}"
    more = len(solution.votes) - len(votes)
    if more:
        yield "votes", f"and {words.plural(more, 'other')}"


def _cost(solution: Solution, programs: int | None) -> Iterator[str]:
    tokens, seconds = solution.tokens, solution.seconds
    yield (
        f"{tokens.get('generator', 0):,} generator tokens, "
        f"{tokens.get('verifier', 0):,} verifier tokens"
    )
    phases = ", ".join(
        f"{name} {value:.2f}"
        for name, value in seconds.items()
        if name != "total"
    )
    compiled = ""
    if programs is not None:
        compiled = f"; {words.plural(programs, 'program')} compiled so far"
    yield f"{seconds.get('total', 0):.2f} s: {phases}{compiled}"
    used, dense = solution.cache.get("bytes", 0), solution.cache.get("dense", 0)
    if used:
        yield (
            f"cache {machine.format_bytes(used)}; a dense one takes "
            f"{machine.format_bytes(dense)}, {dense / used:.1f} times as much"
        )
    tree = solution.tree
    yield (
        f"{words.plural(tree.get('rounds', 0), 'round')}, "
        f"{words.plural(tree.get('nodes', 0), 'thought')} kept, "
        f"{tree.get('pruned', 0):,} pruned"
    )
