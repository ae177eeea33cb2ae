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
from jaxlrm.engine.chains import Chains, Step
from jaxlrm.engine.problems import Problem
from jaxlrm.engine.solution import (
    Progress,
    ProgressCallback,
    Solution,
    Vote,
    why_unproven,
)
from jaxlrm.search import search, tree
from jaxlrm.search.search import Reply, Round
from jaxlrm.search.strategies import Strategy
from jaxlrm.text import Text
from jaxlrm.verify.programs.tools import Interpreter
from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.verifiers import Verifiers, failure

# Rows of any other kind are still writing.
_KINDS = {tree.STEP: "step", tree.OPEN: "open", tree.ANSWER: "answer"}


@dataclasses.dataclass(eq=False)
class Host:
    """Follows the searches of one call of `Engine.solve`.

    Attributes:
        problems: all of them; a `Round` numbers those without a note.
        config: what their searches have in common.
        strategy: likewise.
        text: the generator's tokenizer.
        verifiers: judge steps, and read and compare answers.
        tools: runs steps that are programs; None runs none.
        readers: reward models that read what is written, each for itself.
        opening: what prompts open an answer with, as `<think>`.
        progress: called after each round.
        finished: called with the number and solution of a problem.
        cache: of each problem, `bytes` of keys and values, and `dense` bytes
            if every branch had a cache of its own.
    """

    problems: Sequence[Problem]
    config: SearchConfig
    strategy: Strategy
    text: Text
    verifiers: Verifiers
    tools: Interpreter | None = None
    readers: int = 0
    opening: str = ""
    progress: ProgressCallback | None = None
    finished: Callable[[int, Solution], None] | None = None
    cache: dict[str, int] = dataclasses.field(
        default_factory=lambda: {"bytes": 0, "dense": 0}
    )

    def __post_init__(self):
        """Reports the problems that cannot be searched."""
        self._checked = self.config.verifiers in CHECKED
        self._asked = ("step", "answer") if self._checked else ("answer",)
        self._learned = self.config.verifiers in SCORED
        self._queue = [n for n, p in enumerate(self.problems) if not p.note]
        self._slots: dict[int, Chains] = {}
        self._solutions: dict[int, Solution] = {}
        self._lock = threading.Lock()  # shards of a fused search ask at once
        self._began = self._mark = time.monotonic()
        self._rounds = self._spent = 0
        for number, problem in enumerate(self.problems):
            if problem.note:
                self._end(self._open(number))

    def solutions(self) -> list[Solution]:
        """All solutions, in the order of the problems."""
        return [self._solutions[n] for n in range(len(self.problems))]

    def ask(self, seen: Round) -> Reply:
        """Follows a round: has what it wrote judged, and its programs run."""
        reply = search.no_reply(len(seen.problems), self.strategy)
        with self._lock:
            began = time.monotonic()
            # Shards of a fused search ask about parts of one round.
            self._rounds += seen.first == 0 or self.config.execution != "fused"
            ended, going = self._follow(seen)
            self._run_programs(going, reply)
            asked = [
                (chains, index)
                for chains in going.values()
                for index in chains.new
                if chains.steps[index].kind in self._asked
            ]
            pending = self.verifiers.start(
                chains.question(index, self._checked, self.opening)
                for chains, index in asked
            )
        found = self.verifiers.collect(pending)
        with self._lock:
            for (chains, index), finding in zip(asked, found, strict=True):
                chains.judge(index, finding)
            self._mark = time.monotonic()
            for chains in (*going.values(), *ended):
                chains.verifying += self._mark - began
            for place, chains in going.items():
                for row, index in chains.last.items():
                    step = chains.steps[index]
                    reply.verdict[place, row] = step.verdict
                    reply.doubt[place, row] = step.doubt
                chains.complete = self._is_enough(chains)
                reply.stop[place] = chains.complete
            for chains in ended:
                self._end(chains)
            if self.progress is not None:
                self._report(seen, going)
        return reply

    def _open(self, number: int) -> Chains:
        breaks = "fences" if self.config.tools == "python" else "steps"
        problem = self.problems[number]
        return Chains(problem, number, self.text, breaks, self._mark)

    def _follow(self, seen: Round) -> tuple[list[Chains], dict[int, Chains]]:
        """Notes a round; the problems that it ends, and others by place."""
        ended, going = [], {}
        for place in np.flatnonzero(seen.problems >= 0).tolist():
            slot = seen.first + place
            if slot not in self._slots:
                number = self._queue[seen.problems[place]]
                self._slots[slot] = self._open(number)
            chains = self._slots[slot]
            chains.dropped = int(seen.dropped[place])
            chains.peak = int(seen.peak[place])
            chains.settle(seen.nodes[place])
            if seen.finished[place]:
                ended.append(self._slots.pop(slot))
            else:
                self._note(chains, place, seen.twigs)
                going[place] = chains
        return ended, going

    def _note(self, chains: Chains, place: int, twigs: tree.Twigs) -> None:
        """Notes the steps that the rows of one problem ended."""
        chains.rounds += 1
        before = chains.spent
        for row in np.flatnonzero(twigs.leaf[place] >= 0).tolist():
            kind = _KINDS.get(int(twigs.kind[place, row]))
            if kind is None:
                continue
            length = int(twigs.valid[place, row].sum())
            forced = int(twigs.forced[place, row])
            ahead = int(twigs.ahead[place, row])
            tokens = tuple(twigs.tokens[place, row, forced:length].tolist())
            score = float(twigs.score[place, row]) if self._learned else None
            logp = float(twigs.logp[place, row])
            leaf = int(twigs.leaf[place, row])
            chains.add(row, leaf, Step(kind, tokens, score, logp))
            chains.read += length + ahead
            chains.spent += len(tokens) + ahead
        chains.idle = chains.spent == before
        self._spent += chains.spent - before

    def _run_programs(self, going: dict[int, Chains], reply: Reply) -> None:
        """Runs the programs that steps completed; output joins their chains."""
        if self.tools is None:
            return
        found = [
            (place, chains, index, program)
            for place, chains in going.items()
            for index in chains.new
            if (program := chains.completed(index)) is not None
        ]
        outputs = self.tools.outputs(
            [(c.programs(index), program[0]) for _, c, index, program in found]
        )
        for (place, chains, index, program), output in zip(
            found, outputs, strict=True
        ):
            size = self.config.output_tokens
            tokens = chains.show(index, *program, output, size)
            for row in (r for r, i in chains.last.items() if i == index):
                reply.output[place, row, : len(tokens)] = tokens
                reply.output_length[place, row] = len(tokens)
                if program[1] is not None:
                    reply.length[place, row] = program[1]

    def _is_enough(self, chains: Chains) -> bool:
        """Whether the search of a problem may end here."""
        config = chains.problem.config
        spent = time.monotonic() - chains.started
        if config.seconds and spent >= config.seconds:
            return True
        if config.tokens and chains.last and chains.idle:
            return True  # fewer are left than there are branches
        # Without checks a vote may be decided before all chains have ended.
        if not chains.answered or (self._checked and not config.confidence):
            return False
        chains.answered = False
        standing = {chains.steps[index] for index in chains.last.values()}
        ended = [
            step
            for step in chains.steps
            if step.answer is not None
            and step.verdict is not Verdict.INVALID
            and (step.kept or step in standing)
        ]
        if not ended:
            return False
        votes, best = self._count(ended)
        if config.confidence:
            if voting.confidence(votes, best) >= config.confidence:
                return True
        strategy = self.strategy
        return not self._checked and voting.is_decided(
            ended, votes, strategy.vote, strategy.votes
        )

    def _count(self, ended: Sequence[Step]) -> tuple[tuple[Vote, ...], Step]:
        groups, names = self.verifiers.group([step.answer for step in ended])
        return voting.count(ended, groups, names, self.strategy.vote)

    def _report(self, seen: Round, going: dict[int, Chains]) -> None:
        scores = [
            chains.steps[index].score
            for chains in going.values()
            for index in chains.new
        ]
        self.progress(
            Progress(
                round=self._rounds,
                finished=len(self._solutions),
                problems=len(self.problems),
                branches=int((seen.twigs.leaf >= 0).sum()),
                tokens=self._spent,
                seconds=self._mark - self._began,
                best_score=max(scores) if self._learned and scores else None,
            )
        )

    def _end(self, chains: Chains) -> None:
        self._solutions[chains.number] = found = self._solution(chains)
        if self.finished is not None:
            self.finished(chains.number, found)

    def _solution(self, chains: Chains) -> Solution:
        votes, path, sure, verdict = (), [], 0.0, Verdict.UNKNOWN
        answers = [step for step in chains.steps if step.answer is not None]
        if answers:
            votes, best = self._count(voting.candidates(answers))
            path = chains.path(chains.steps.index(best))
            sure, verdict = voting.confidence(votes, best), best.verdict
        proven = verdict is Verdict.VALID
        thoughts = tuple(step.report() for step in chains.steps)
        kept = sum(thought.kept for thought in thoughts)
        outside = chains.problem.outside and not proven
        total = time.monotonic() - chains.started
        return Solution(
            problem=chains.problem.text,
            answer=votes[0].answer if votes else None,
            verdict=verdict,
            confidence=0.0 if outside else sure,
            solved=proven,
            strategy=self.config.strategy,
            votes=votes,
            best_chain=tuple(path),
            thoughts=thoughts,
            tokens={
                "generator": chains.spent,
                "verifier": chains.read * self.readers,
            },
            seconds={
                "total": total,
                "model": total - chains.verifying,
                "verify": chains.verifying,
            },
            cache={**self.cache, "peak_slots": chains.peak},
            tree={
                "rounds": chains.rounds,
                "nodes": kept,
                "pruned": len(thoughts) - kept,
            },
            note=chains.problem.note or self._note_on(chains, path),
        )

    def _note_on(self, chains: Chains, path: Sequence[int]) -> str:
        """What a person should know of a solution."""
        problem, names = chains.problem, ", ".join(self.text.tasks)
        why = why_unproven(
            [chains.steps[i] for i in path],
            ended=sum(s.count for s in chains.steps if s.kind == "answer"),
            trained_on=names if problem.outside else "",
            checked=self._checked,
            recognised=problem.statement is not None,
        )
        full = chains.dropped and (
            f"steps let go because the cache was full: {chains.dropped}"
        )
        failed = [failure(*each) for each in chains.failures.items()]
        return "; ".join(filter(None, [why, full, *failed]))
