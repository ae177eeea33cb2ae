"""What a solve returns: the answer, how it was found, what it cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jaxlrm.config import DOUBT
from jaxlrm.engine.problems import Problem
from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.verifiers import failure


@dataclasses.dataclass(frozen=True)
class Thought:
    """One step that the search looked at, kept or not.

    Attributes:
        parent: index of the thought before it in `Solution.thoughts`; -1 if
            it follows the problem.
        round: the round that wrote it, from 0.
        text: the step, without its delimiter; with its spaces where the token
            limit cut it. Where a strategy writes whole answers at once, all of
            its steps, a line each.
        kind: `step`, `open` (cut by the token limit) or `answer`.
        score: the learned verifier's, in (0, 1); None without one.
        verdict: the symbolic verifier's.
        kept: whether the search went on with it (or counted its answer).
        count: branches that wrote it (duplicates are merged).
        tokens: ids of its tokens, without those that a tool wrote.
        logp: the sum of their log-probabilities by the model itself, whatever
            they were sampled by; None if what followed a program was cut.
        output: what a tool wrote after it, as the model reads it.
        doubt: whether the symbolic verifier doubts it, without refuting it;
            the score of the chain is lowered for it.
    """

    parent: int
    round: int
    text: str
    kind: str
    score: float | None
    verdict: Verdict
    kept: bool
    count: int
    tokens: tuple[int, ...]
    logp: float | None = None
    output: str = ""
    doubt: bool = False


@dataclasses.dataclass(eq=False)
class Step:
    """A `Thought` while its problem is searched: the fields of that, and these.

    Attributes:
        number: its own, among the steps of its problem.
        unfinished: tokens of a step that the limit cut, from its beginning.
        whole: text of the whole step that this ends; empty if it ends none.
        behind: text behind its delimiter, where the next step begins.
        program: what of it a tool has run.
        shown: tokens of what that wrote.
        answer: of the chain that it ends, bare; None if it states none.
        doubtful: whether a step of the chain up to here is in doubt.
        ordinal: its number among the steps that were begun.
    """

    kind: str
    tokens: tuple[int, ...]
    score: float | None
    logp: float | None
    parent: int = -1
    round: int = 0
    text: str = ""
    verdict: Verdict = Verdict.UNKNOWN
    kept: bool = False
    count: int = 1
    output: str = ""
    doubt: bool = False
    number: int = 0
    unfinished: tuple[int, ...] = ()
    whole: str = ""
    behind: str = ""
    program: str = ""
    shown: tuple[int, ...] = ()
    answer: str | None = None
    doubtful: bool = False
    ordinal: int = 0

    def thought(self) -> Thought:
        """What is reported of it."""
        names = [field.name for field in dataclasses.fields(Thought)]
        return Thought(**{name: getattr(self, name) for name in names})


@dataclasses.dataclass(frozen=True)
class Vote:
    """A candidate answer.

    Attributes:
        answer: bare (`5`, not `x = 5`).
        weight: share of the vote, the weights of a solution sum to 1.
        count: chains that ended in it.
        verdict: the best verdict among them.
    """

    answer: str
    weight: float
    count: int
    verdict: Verdict


@dataclasses.dataclass(frozen=True)
class Solution:
    """The outcome of searching for one problem's answer.

    Attributes:
        problem: its text.
        answer: the winner of the vote, bare; None if no chain ended in one.
        verdict: of the winning chain, all of its steps together.
        confidence: how sure the system is of the answer, in [0, 1].
        solved: whether the answer is proven: a family of problems recognises
            the problem, and its rule found every step VALID.
        strategy: name of the search strategy.
        votes: all candidates, heaviest first.
        best_chain: indices into `thoughts` of the winning chain, in order.
        thoughts: everything the search looked at, parents first.
        tokens: `generator` and `verifier` tokens spent.
        seconds: wall time: `total`, and by phase `model` (prefill, decoding
            and learned scores) and `verify` (waiting for symbolic verdicts).
            Problems solved side by side share the machine: each carries the
            time from its start to its end.
        cache: of all models, `bytes` of keys and values allocated for the
            problem, `dense` (bytes if every branch had a cache of its own),
            `peak_slots` (most trunk slots in use, of each model).
        tree: `rounds`, `nodes` (thoughts kept), `pruned`.
        note: a remark for the person, empty if there is none.
    """

    problem: str
    answer: str | None
    verdict: Verdict
    confidence: float
    solved: bool
    strategy: str
    votes: tuple[Vote, ...]
    best_chain: tuple[int, ...]
    thoughts: tuple[Thought, ...]
    tokens: dict[str, int]
    seconds: dict[str, float]
    cache: dict[str, int]
    tree: dict[str, int]
    note: str = ""

    @property
    def best_trace(self) -> list[str]:
        """The winning chain of thought, a string a step."""
        return steps_of([self.thoughts[i] for i in self.best_chain])

    def to_json(self, correct: bool | None = None) -> dict[str, Any]:
        """One JSON object, as `solve --format=json` prints it.

        Args:
            correct: whether the answer equals the gold one; None without.
        """
        return {
            "problem": self.problem,
            "answer": self.answer,
            "verdict": self.verdict.name,
            "confidence": round(self.confidence, 4),
            "solved": self.solved,
            "correct": correct,
            "strategy": self.strategy,
            "votes": [
                {
                    "answer": vote.answer,
                    "weight": round(vote.weight, 4),
                    "count": vote.count,
                }
                for vote in self.votes
            ],
            "best_trace": self.best_trace,
            "tokens": self.tokens,
            "seconds": {k: round(v, 4) for k, v in self.seconds.items()},
            "cache": self.cache,
            "tree": self.tree,
            "note": self.note,
        }


def steps_of(chain: Iterable[Thought]) -> list[str]:
    """The steps of a chain of thoughts, and what tools wrote after them.

    One that the token limit cut is joined with what goes on from it.
    """
    texts = [""]
    for thought in chain:
        texts[-1] += thought.text
        if thought.kind != "open":
            texts += [thought.output, ""]
    return [line for text in texts for line in text.split("\n") if line]


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a solve stands, after each round.

    Attributes:
        round: rounds run so far, all problems together.
        finished: problems finished.
        problems: problems in all.
        branches: branches alive in this round.
        tokens: generator tokens so far.
        utilisation: those, as a share of what all rows had time for.
        seconds: wall time so far.
        best_score: best learned score of this round; None without one.
    """

    round: int
    finished: int
    problems: int
    branches: int
    tokens: int
    utilisation: float
    seconds: float
    best_score: float | None


ProgressCallback = Callable[[Progress], None]


def lowered(score: float) -> float:
    """The score of a chain with a doubt: a quarter of its odds."""
    return DOUBT * score / (DOUBT * score + 1 - score)


def conclude(
    problem: Problem,
    steps: Sequence[Step],
    votes: Sequence[Vote],
    best_chain: Sequence[int],
    *,
    checked: bool,
    trained_on: Sequence[str],
    dropped: int,
    failures: Mapping[str, str],
    rounds: int,
    confidence: float,
    **costs: Any,
) -> Solution:
    """The solution that the votes on a problem's chains make.

    Args:
        problem: what was asked.
        steps: parents first.
        votes: on the answers, heaviest first; none if no chain states one.
        best_chain: numbers of the steps of the winning chain.
        checked: whether symbolic verifiers judged.
        trained_on: families that the model was trained on.
        dropped: steps let go because the cache was full.
        failures: of the user's checkers that failed.
        rounds: of the search.
        confidence: in the first of the votes.
        **costs: `strategy`, `tokens`, `seconds` and `cache` of the solution.
    """
    thoughts = tuple(step.thought() for step in steps)
    chain = [thoughts[index] for index in best_chain]
    verdict = chain[-1].verdict if chain else Verdict.UNKNOWN
    proven = verdict is Verdict.VALID
    outside = problem.outside and not proven
    why = _unproven(problem, thoughts, chain, checked)
    if outside:
        families = ", ".join(trained_on)
        why = f"the model was trained on other families of problems: {families}"
    notes = [problem.note or why]
    if dropped:
        notes.append(f"steps let go because the cache was full: {dropped}")
    notes += [failure(name, why) for name, why in failures.items()]
    kept = sum(thought.kept for thought in thoughts)
    return Solution(
        problem=problem.text,
        answer=votes[0].answer if votes else None,
        verdict=verdict,
        confidence=0.0 if outside else confidence,
        solved=proven,
        votes=tuple(votes),
        best_chain=tuple(best_chain),
        thoughts=thoughts,
        tree={"rounds": rounds, "nodes": kept, "pruned": len(thoughts) - kept},
        note="; ".join(filter(None, notes)),
        **costs,
    )


def _unproven(
    problem: Problem,
    thoughts: Sequence[Thought],
    chain: Sequence[Thought],
    checked: bool,
) -> str:
    """Why there is no answer or no proof of it; empty if that needs no word."""
    if not chain:
        ended = sum(t.count for t in thoughts if t.kind == "answer")
        if not ended:
            return "no chain of thought came to an end within the budget"
        return f"no chain that ended states a usable answer; ended: {ended}"
    verdicts = {thought.verdict for thought in chain}
    refuted = Verdict.INVALID in verdicts
    proven = chain[-1].verdict is Verdict.VALID
    if proven or not checked or not (problem.statement or refuted):
        return ""
    if verdicts == {Verdict.UNKNOWN}:
        return (
            "the checks neither prove nor refute the steps of this chain; the "
            "answer is a guess"
        )
    return "no chain passed all checks; the answer is a guess"
