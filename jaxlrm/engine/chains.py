"""What the host knows of one problem's tree: text, verdict, answer of steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from jaxlrm.engine.problems import Problem
from jaxlrm.engine.solution import Step, lowered
from jaxlrm.text import Text, show_output
from jaxlrm.verify.blocks import completed_program
from jaxlrm.verify.verdict import Verdict, on_answer
from jaxlrm.verify.verifiers import Finding, Question


@dataclasses.dataclass(eq=False)
class Chains:
    """The steps that were written for one problem, kept or not."""

    problem: Problem
    number: int  # the problem's
    text: Text  # the generator's tokenizer
    started: float  # when its slot was filled
    steps: list[Step] = dataclasses.field(default_factory=list)  # parents first
    # Of each row, the step that it ended in the last round.
    last: dict[int, Step] = dataclasses.field(default_factory=dict)
    rounds: int = 0
    spent: int = 0  # tokens that the generator has written
    read: int = 0  # tokens that each reward model has read
    idle: bool = False  # no row wrote a token in the last round
    complete: bool = False  # the last round ends the search: its answers count
    verifying: float = 0.0  # seconds spent waiting for verdicts
    # Of the user's checkers that failed, the first of each.
    failures: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        self._nodes = {0: -1}  # by the device's nodes, the numbers of steps
        self._equal: dict[tuple, Step] = {}  # of a round, by leaf and tokens

    @property
    def new(self) -> list[Step]:
        """The steps of the last round, each once."""
        return list(dict.fromkeys(self.last.values()))

    def settle(self, nodes: Sequence[int]) -> None:
        """Learns which node the last step of each row became, -1 if none."""
        for row, step in self.last.items():
            kept = bool(nodes[row] >= 0)
            if kept:
                self._nodes[int(nodes[row])] = step.number
            counts = self.complete and step.kind == "answer"
            step.kept |= kept or (counts and step.verdict != Verdict.INVALID)
        self.last, self._equal = {}, {}

    def arrange(self) -> None:
        """Puts whole chains into the order they were begun; equal ones are one.

        Then nothing depends on how many rows wrote them.
        """
        found: dict[tuple, Step] = {}
        for step in sorted(self.steps, key=lambda step: step.ordinal):
            first = found.setdefault((step.tokens, step.kind), step)
            step.round = 0
            if first is not step:
                first.count += step.count
                first.kept |= step.kept
        self.steps, self.rounds = list(found.values()), 1
        for number, step in enumerate(self.steps):
            step.number = number

    def add(self, row: int, leaf: int, step: Step) -> None:
        """Notes what a row wrote after a node; equal steps are one."""
        first = self._equal.setdefault((leaf, step.tokens), step)
        self.last[row] = first
        if first is not step:
            first.count += 1
            return
        step.number, step.parent = len(self.steps), self._nodes[leaf]
        step.round = self.rounds - 1
        self.steps.append(step)
        runs = self.problem.config.tools == "python"
        ends = "fences" if runs else "steps"
        self._read(step, ends if step.kind == "step" else "none")

    def chain(self, step: Step) -> list[Step]:
        """The chain that a step ends, its first step first."""
        found = [step]
        while found[-1].parent >= 0:
            found.append(self.steps[found[-1].parent])
        return found[::-1]

    def question(self, step: Step, checked: bool) -> Question:
        """What is asked about a step; only its answer, if not `checked`."""
        problem, chain, whole = self.problem, self.chain(step), ""
        texts = list(problem.begun)
        for before in chain[:-1]:  # a part is in the whole that ends it
            texts += [before.whole] if before.kind != "open" else []
            texts += [before.output] if before.output else []
        # What was there before is judged with the answer.
        first, ended = len(texts), step.kind == "answer"
        if ended:
            first = 0 if problem.begun else first
            whole = problem.opening + self.text.decode(_ids(chain))
        about = problem.text, problem.statement, texts, step.whole
        return Question(*about, first, ended, checked, problem.trained, whole)

    def judge(self, step: Step, found: Finding) -> None:
        """Notes what was found; a first doubt lowers the chain's score."""
        if found.doubt and not step.doubtful and step.score is not None:
            step.score = lowered(step.score)
        step.doubt, step.answer = found.doubt, found.answer
        step.doubtful |= found.doubt
        step.verdict = found.verdict
        self.failures = {**found.failures, **self.failures}
        if step.kind == "answer":
            before = [s for s in self.chain(step)[:-1] if s.kind != "open"]
            step.verdict = on_answer(
                found.verdict,
                (each.verdict for each in before),
                self.problem.statement is not None and step.answer is not None,
            )

    def completed(self, step: Step) -> tuple[str, int | None] | None:
        """The program that a step completes, see `completed_program`."""
        before, read = _ids(self.chain(step)[:-1]), self.text.decode
        return completed_program(read, before, step.tokens, step.kind)

    def programs(self, step: Step) -> tuple[str, ...]:
        """The programs of the chain before a step."""
        chain = self.chain(step)[:-1]
        return tuple(before.program for before in chain if before.program)

    def show(
        self, step: Step, found: tuple[str, int | None], output: str, size: int
    ) -> tuple[int, ...]:
        """Joins a program's output to its chain, in the place of what follows.

        Args:
            step: that completed it.
            found: as of `completed`.
            output: what it showed.
            size: most tokens of that.

        Returns:
            The tokens that the model reads next.
        """
        step.program, length = found
        if length is not None:
            if length < len(step.tokens):
                step.tokens, step.logp = step.tokens[:length], None
            step.kind = "step"
            self._read(step, "none")
        ids, cut = _ids(self.chain(step)), length is not None
        step.shown, step.output = show_output(
            self.text, ids, output, size, cut=cut
        )
        return step.shown

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


def _ids(chain: Sequence[Step]) -> list[int]:
    """Tokens of a chain, with what tools wrote."""
    return [i for step in chain for i in (*step.tokens, *step.shown)]
