"""What the host knows of one problem's tree: text, verdict, answer of steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from jaxlrm.config import DOUBT
from jaxlrm.engine.problems import Problem
from jaxlrm.engine.solution import Step
from jaxlrm.text import Text, show_output
from jaxlrm.verify.blocks import completed_program
from jaxlrm.verify.verdict import Verdict, on_answer
from jaxlrm.verify.verifiers import Finding, Question


@dataclasses.dataclass(eq=False)
class Chains:
    """The steps that were written for one problem, kept or not.

    Attributes:
        problem: what was asked.
        number: its number.
        text: the generator's tokenizer.
        started: when its slot was filled.
        steps: parents first.
        last: the step of each row that ended one in the last round.
        rounds: so far.
        spent: tokens that the generator has written.
        read: tokens that each reward model has read.
        idle: no row wrote a token in the last round.
        complete: the last round ends the search: all its answers count.
        verifying: seconds spent waiting for verdicts.
        failures: of the user's checkers that failed, the first of each.
    """

    problem: Problem
    number: int
    text: Text
    started: float
    steps: list[Step] = dataclasses.field(default_factory=list)
    last: dict[int, int] = dataclasses.field(default_factory=dict)
    rounds: int = 0
    spent: int = 0
    read: int = 0
    idle: bool = False
    complete: bool = False
    verifying: float = 0.0
    failures: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        self._nodes = {0: -1}  # the step of each node of the device's tree
        self._equal: dict[tuple, int] = {}  # of a round, by leaf and tokens

    @property
    def new(self) -> list[int]:
        """The steps of the last round, each once."""
        return list(dict.fromkeys(self.last.values()))

    def settle(self, nodes: Sequence[int]) -> None:
        """Learns which node the last step of each row became, -1 if none."""
        for row, index in self.last.items():
            step, kept = self.steps[index], bool(nodes[row] >= 0)
            if kept:
                self._nodes[int(nodes[row])] = index
            counts = self.complete and step.kind == "answer"
            step.kept |= kept or (counts and step.verdict != Verdict.INVALID)
        self.last, self._equal = {}, {}

    def add(self, row: int, leaf: int, step: Step) -> None:
        """Notes what a row wrote after a node; equal steps are one."""
        number = len(self.steps)
        index = self._equal.setdefault((leaf, step.tokens), number)
        self.last[row] = index
        if index < number:
            self.steps[index].count += 1
            return
        self.steps.append(step)
        step.parent, step.round = self._nodes[leaf], self.rounds - 1
        runs = self.problem.config.tools == "python"
        ends = "fences" if runs else "steps"
        self._read(step, ends if step.kind == "step" else "none")

    def path(self, index: int) -> list[int]:
        """Numbers of the steps of a chain, from the first to `index`."""
        found = []
        while index >= 0:
            found.append(index)
            index = self.steps[index].parent
        return found[::-1]

    def upto(self, index: int) -> list[Step]:
        """The steps of a chain, from the first to `index`; -1 has none."""
        return [self.steps[i] for i in self.path(index)]

    def question(self, index: int, checked: bool) -> Question:
        """What is asked about a step; only its answer, if not `checked`."""
        step, problem = self.steps[index], self.problem
        chain = list(problem.begun)
        for before in self.upto(step.parent):
            if before.kind != "open":  # a part is in the whole that ends it
                chain.append(before.whole)
            if before.output:
                chain.append(before.output)
        ended, text = step.kind == "answer", ""
        if ended:
            text = problem.opening + self.text.decode(self._ids(index))
        return Question(
            problem.text,
            problem.statement,
            chain,
            step.whole,
            # What was there before is judged with the answer.
            0 if ended and problem.begun else len(chain),
            ended,
            checked,
            problem.trained,
            text,
        )

    def judge(self, index: int, found: Finding) -> None:
        """Notes what was found; a first doubt lowers the score of the chain.

        So does `search.keep`.
        """
        step = self.steps[index]
        if found.doubt and not step.doubtful and step.score is not None:
            step.score = lowered(step.score)
        step.doubt, step.answer = found.doubt, found.answer
        step.doubtful |= found.doubt
        step.verdict = found.verdict
        self.failures = {**found.failures, **self.failures}
        if step.kind == "answer":
            before = self.upto(step.parent)
            step.verdict = on_answer(
                found.verdict,
                (each.verdict for each in before if each.kind != "open"),
                self.problem.statement is not None and step.answer is not None,
            )

    def completed(self, index: int) -> tuple[str, int | None] | None:
        """The program that a step completes, see `completed_program`."""
        step = self.steps[index]
        before = self._ids(step.parent)
        return completed_program(
            self.text.decode, before, step.tokens, step.kind
        )

    def programs(self, index: int) -> tuple[str, ...]:
        """The programs of the chain before a step."""
        before = self.upto(self.steps[index].parent)
        return tuple(step.program for step in before if step.program)

    def show(
        self, index: int, found: tuple[str, int | None], output: str, size: int
    ) -> tuple[int, ...]:
        """Joins a program's output to its chain, in the place of what follows.

        Args:
            index: of the step that completed it.
            found: as of `completed`.
            output: what it showed.
            size: most tokens of that.

        Returns:
            The tokens that the model reads next.
        """
        step, (step.program, length) = self.steps[index], found
        if length is not None:
            if length < len(step.tokens):
                step.tokens, step.logp = step.tokens[:length], None
            step.kind = "step"
            self._read(step, "none")
        step.shown, step.output = show_output(
            self.text, self._ids(index), output, size, cut=length is not None
        )
        return step.shown

    def _ids(self, index: int) -> list[int]:
        """Tokens of a chain, with what tools wrote."""
        chain = self.upto(index)
        return [i for step in chain for i in (*step.tokens, *step.shown)]

    def _read(self, step: Step, breaks: str) -> None:
        """Reads a step's tokens; `breaks` as for `Text.step_of`."""
        begun, behind = (), ""
        if step.parent >= 0:
            before = self.steps[step.parent]
            begun, behind = before.unfinished, before.behind
            step.doubtful = before.doubtful
        whole = (*begun, *step.tokens)
        # Where the limit cut a step its spaces are kept, to be joined.
        text = self.text.decode(step.tokens)
        step.text = text if begun else text.lstrip()
        if step.kind == "open":
            step.unfinished, step.behind = whole, behind
            return
        step.text, step.unfinished = step.text.rstrip(), ()
        step.whole, step.behind = self.text.step_of(whole, behind, breaks)


def lowered(score: float) -> float:
    """The score of a chain with a doubt: a quarter of its odds."""
    return DOUBT * score / (DOUBT * score + 1 - score)
