"""The host's side of a search: what was written is read, judged and reported.

The loop works on arrays. After each round it asks the host, which has the new
steps judged and their programs run, and says when a problem has been searched
enough. Nothing that a model wrote is parsed here: see `verify.verifiers`.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from jaxlrm.config import CHECKED, SCORED, SearchConfig
from jaxlrm.engine import voting
from jaxlrm.engine.chains import Chains
from jaxlrm.engine.problems import Problem
from jaxlrm.engine.solution import (
    Progress,
    ProgressCallback,
    Solution,
    Step,
    Vote,
    conclude,
)
from jaxlrm.search import base
from jaxlrm.search.base import Reply, Round, Strategy
from jaxlrm.search.tree import ANSWER, OPEN, STEP, Twigs
from jaxlrm.text import Text
from jaxlrm.verify.programs.tools import Interpreter
from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.verifiers import Verifiers

# Rows of any other kind are still writing.
_KINDS = {STEP: "step", OPEN: "open", ANSWER: "answer"}


@dataclasses.dataclass(eq=False)
class Host:
    """Follows the searches of one call of `Engine.solve`."""

    problems: Sequence[Problem]  # a `Round` numbers those without a note
    config: SearchConfig  # what their searches have in common
    strategy: Strategy
    text: Text  # the generator's tokenizer
    verifiers: Verifiers  # judge steps, and read and compare answers
    tools: Interpreter | None = None  # runs steps that are programs
    readers: int = 0  # reward models that read what is written, each by itself
    progress: ProgressCallback | None = None  # called after each round
    # Called with the number and solution of a problem.
    finished: Callable[[int, Solution], None] | None = None
    # Of each problem, `bytes` of keys and values, and `dense` bytes if every
    # branch had a cache of its own.
    cache: dict[str, int] = dataclasses.field(
        default_factory=lambda: {"bytes": 0, "dense": 0}
    )

    def __post_init__(self):
        """Reports the problems that cannot be searched."""
        self._checked = self.config.verifiers in CHECKED
        self._scored = self.config.verifiers in SCORED
        self._queue = [n for n, p in enumerate(self.problems) if not p.note]
        self._slots: dict[int, Chains] = {}
        self._solutions: dict[int, Solution] = {}
        self._lock = threading.Lock()  # shards of a fused search ask at once
        self._began = self._mark = time.monotonic()
        self._rounds = self._spent = self._steps = 0
        for number, problem in enumerate(self.problems):
            if problem.note:
                self._end(self._begin(number), 0, 0)

    def solutions(self) -> list[Solution]:
        """All solutions, in the order of the problems."""
        return [self._solutions[n] for n in range(len(self.problems))]

    def ask(self, seen: Round) -> Reply:
        """Follows a round: has what it wrote judged, and its programs run."""
        reply = base.no_reply(
            *seen.twigs.leaf.shape, self.strategy.output_tokens
        )
        kinds = ("step", "answer") if self._checked else ("answer",)
        with self._lock:
            began = time.monotonic()
            # Shards of a fused search ask about parts of one round.
            self._rounds += seen.first == 0 or self.config.execution != "fused"
            slots = self._follow(seen)
            self._run_programs(slots, reply)
            asked = [
                (chains, step)
                for chains in slots.values()
                for step in chains.new
                if step.kind in kinds
            ]
            pending = self.verifiers.start(
                chains.question(step, self._checked) for chains, step in asked
            )
        found = self.verifiers.collect(pending)
        with self._lock:
            for (chains, step), finding in zip(asked, found, strict=True):
                chains.judge(step, finding)
            self._mark = time.monotonic()
            for place, chains in slots.items():
                chains.verifying += self._mark - began
                if seen.finished[place]:
                    del self._slots[seen.first + place]
                    dropped, peak = seen.dropped[place], seen.peak[place]
                    self._end(chains, int(dropped), int(peak))
                    continue
                for row, step in chains.last.items():
                    reply.verdict[place, row] = step.verdict
                    reply.doubt[place, row] = step.doubt
                reply.stop[place] = chains.complete = self._is_enough(chains)
            if self.progress is not None:
                self._report(seen, slots)
        return reply

    def _begin(self, number: int) -> Chains:
        return Chains(self.problems[number], number, self.text, self._mark)

    def _follow(self, seen: Round) -> dict[int, Chains]:
        """Notes a round; the chains of each place that has a problem."""
        found, twigs = {}, seen.twigs
        self._steps += int(seen.time.sum()) * twigs.leaf.shape[1]
        for place in np.flatnonzero(seen.problems >= 0).tolist():
            slot = seen.first + place
            if slot not in self._slots:
                number = self._queue[seen.problems[place]]
                self._slots[slot] = self._begin(number)
            found[place] = chains = self._slots[slot]
            chains.settle(twigs.node[place])
            new = int(seen.spent[place]) - chains.spent
            chains.idle = not new
            chains.spent += new
            self._spent += new
            ended = np.flatnonzero(twigs.ended[place]).tolist()
            chains.rounds += bool(ended)
            for row in ended:
                step = self._read_step(twigs, place, row)
                chains.add(row, int(twigs.leaf[place, row]), step)
                chains.read += int(twigs.length[place, row])
        return found

    def _read_step(self, twigs: Twigs, place: int, row: int) -> Step:
        """The step that a row has ended."""
        length = int(twigs.length[place, row])
        forced = int(twigs.forced[place, row])
        return Step(
            kind=_KINDS[int(twigs.kind[place, row])],
            tokens=tuple(twigs.tokens[place, row, forced:length].tolist()),
            score=float(twigs.score[place, row]) if self._scored else None,
            logp=float(twigs.logp[place, row]),
            ordinal=int(twigs.ordinal[place, row]),
        )

    def _run_programs(self, slots: dict[int, Chains], reply: Reply) -> None:
        """Runs the programs that steps completed; output joins their chains."""
        if self.tools is None:
            return
        found = [
            (place, chains, step, program)
            for place, chains in slots.items()
            for step in chains.new
            if (program := chains.completed(step)) is not None
        ]
        outputs = self.tools.outputs(
            [(c.programs(step), program[0]) for _, c, step, program in found]
        )
        size = self.config.output_tokens
        for (place, chains, step, program), output in zip(
            found, outputs, strict=True
        ):
            shown = chains.show(step, program, output, size)
            rows = [row for row, s in chains.last.items() if s is step]
            reply.output[place, rows, : len(shown)] = shown
            reply.output_length[place, rows] = len(shown)
            if program[1] is not None:
                reply.length[place, rows] = program[1]

    def _is_enough(self, chains: Chains) -> bool:
        """Whether the search of a problem may end here."""
        config = chains.problem.config
        if 0 < config.seconds <= time.monotonic() - chains.started:
            return True
        if config.tokens and chains.last and chains.idle:
            return True  # fewer are left than there are branches
        # Without checks a vote may be decided before all chains have ended.
        # Which of whole chains ended first is up to the rows that wrote them.
        open_end = self._checked or self.strategy.whole
        if open_end and not config.confidence:
            return False
        new = chains.new
        ended = [
            step
            for step in chains.steps
            if step.answer is not None
            and step.verdict is not Verdict.INVALID
            and (step.kept or step in new)
        ]
        if not ended or all(step.kind != "answer" for step in new):
            return False
        votes, best = self._count(ended)
        sure = voting.confidence(votes, best)
        if config.confidence and sure >= config.confidence:
            return True
        vote, most = self.strategy.vote, self.strategy.votes
        return not open_end and voting.is_decided(ended, votes, vote, most)

    def _count(self, ended: Sequence[Step]) -> tuple[tuple[Vote, ...], Step]:
        groups, names = self.verifiers.group([step.answer for step in ended])
        return voting.count(ended, groups, names, self.strategy.vote)

    def _report(self, seen: Round, slots: dict[int, Chains]) -> None:
        scores = [s.score for c in slots.values() for s in c.new]
        self.progress(
            Progress(
                round=self._rounds,
                finished=len(self._solutions),
                problems=len(self.problems),
                branches=int((seen.twigs.leaf >= 0).sum()),
                tokens=self._spent,
                utilisation=self._spent / max(self._steps, 1),
                seconds=self._mark - self._began,
                best_score=max(scores) if self._scored and scores else None,
            )
        )

    def _end(self, chains: Chains, dropped: int, peak: int) -> None:
        """Reports a problem, of which `dropped` steps were let go."""
        votes, path, sure = (), [], 0.0
        if self.strategy.whole:
            chains.arrange()
        answers = [step for step in chains.steps if step.answer is not None]
        if answers:
            votes, best = self._count(voting.candidates(answers))
            path = [step.number for step in chains.chain(best)]
            sure = voting.confidence(votes, best)
        total, waited = time.monotonic() - chains.started, chains.verifying
        read = chains.read * self.readers
        solution = conclude(
            chains.problem,
            chains.steps,
            votes,
            path,
            trained_on=self.text.tasks,
            checked=self._checked,
            dropped=dropped,
            failures=chains.failures,
            strategy=self.config.strategy,
            confidence=sure,
            tokens={"generator": chains.spent, "verifier": read},
            seconds={"total": total, "model": total - waited, "verify": waited},
            cache={**self.cache, "peak_slots": peak},
            rounds=chains.rounds,
        )
        self._solutions[chains.number] = solution
        if self.finished is not None:
            self.finished(chains.number, solution)
