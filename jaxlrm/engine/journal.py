"""The host's side of a search: text, tools, votes, reports.

The loop works on arrays; the journal follows it round by round, has what was
written judged and run, and turns a finished tree into a `Solution`. It parses
nothing that a model wrote: see `inquiry`.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from jaxlrm import tasks
from jaxlrm.config import CHECKED, SCORED, SearchConfig
from jaxlrm.engine import inquiry, programs, remarks, voting
from jaxlrm.engine.inquiry import Checker, Inquirer
from jaxlrm.engine.page import Entry, Page
from jaxlrm.engine.solution import (
    Progress,
    ProgressCallback,
    Solution,
    Thought,
    Vote,
)
from jaxlrm.search import loop, tree
from jaxlrm.search.loop import Reply, Round
from jaxlrm.search.strategies import Strategy
from jaxlrm.text import Text
from jaxlrm.verify.programs.tools import Interpreter
from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.workers import Pool

_KINDS = {tree.STEP: "step", tree.OPEN: "open", tree.ANSWER: "answer"}


class Journal:
    """Follows the searches of one call of `Engine.solve`."""

    def __init__(
        self,
        problems: Sequence[str],
        config: SearchConfig,
        text: Text,
        pool: Pool,
        *,
        checkers: Sequence[Checker] = (),
        tools: Interpreter | None = None,
        begun: Sequence[Sequence[str]] = (),
        progress: ProgressCallback | None,
        finished: Callable[[int, Solution], None] | None,
    ):
        """Nothing is followed yet: see `begin`.

        Args:
            problems: texts.
            config: the search.
            text: the generator's tokenizer.
            pool: judges steps and reads answers.
            checkers: beside the package's; functions of the pool's modules.
            tools: runs steps that are programs; None runs none.
            begun: of each problem, steps that were there before the search.
            progress: called after each round.
            finished: called with the number and solution of a problem.
        """
        self._problems, self._config, self._text = problems, config, text
        self._breaks = "fences" if config.tools == "python" else "steps"
        self._tools = tools
        self._checked = config.verifiers in CHECKED
        self._ask = Inquirer(
            pool,
            checkers,
            checked=self._checked,
            patient=config.execution != "fused",
        )
        self._begun = begun or [()] * len(problems)
        self._progress, self._finished = progress, finished
        self._solutions: dict[int, Solution] = {}
        self._pages: dict[int, Page] = {}
        self._pot = 0  # tokens that finished problems have left
        self._learned = config.verifiers in SCORED
        self._lock = threading.Lock()  # shards of a fused search ask at once
        self._began = self._mark = time.monotonic()
        self._rounds = self._tokens = 0

    def problem(self, number: int) -> str:
        """Text of a problem."""
        return self._problems[number]

    def solutions(self) -> list[Solution]:
        """All solutions, in the order of the problems."""
        return [self._solutions[n] for n in range(len(self._problems))]

    def refuse(self, number: int, note: str) -> None:
        """Records a problem that cannot be searched."""
        self._end(number, self._unsolved(number, note))

    def begin(
        self,
        strategy: Strategy,
        numbers: Sequence[int],
        *,
        cache_bytes: int,
        dense_bytes: int,
        readers: int,
        opening: str = "",
    ) -> None:
        """Called once, before the first round.

        Args:
            strategy: the search.
            numbers: the problem of each entry of the loop's queue.
            cache_bytes: keys and values allocated for a problem.
            dense_bytes: the same if every branch had its own.
            readers: reward models that read what is written, each for itself.
            opening: what the prompts open an answer with, as `<think>`.
        """
        self._opening = opening
        self._strategy, self._numbers = strategy, numbers
        self._most_tokens = strategy.step_tokens - strategy.output_tokens
        self._cache_bytes, self._dense_bytes = cache_bytes, dense_bytes
        self._readers = readers
        self._mark = time.monotonic()

    def measure(self, cache_bytes: int) -> None:
        """Called after each round with what the cache has grown to.

        Args:
            cache_bytes: keys and values allocated for a problem.
        """
        self._cache_bytes = cache_bytes

    def ask(self, seen: Round) -> Reply:
        """Takes note of a round, judges what it wrote, and runs its tools."""
        reply = loop.no_reply(len(seen.problems), self._strategy)
        with self._lock:
            written = time.monotonic()
            # Shards of a fused search ask about parts of one round.
            shard = self._config.execution == "fused" and seen.first > 0
            self._rounds += not shard
            ended = self._follow(seen, written)
            self._run_tools(seen, reply)
            asked = self._start(self._rows(seen))
        found = self._ask.collect(asked)
        with self._lock:
            for (page, index), finding in zip(
                asked.thoughts, found, strict=True
            ):
                self._judge(page, index, finding)
            self._tell(seen, reply)
            self._mark = time.monotonic()
            for row in self._rows(seen):
                page = self._pages[row]
                page.verify_seconds += self._mark - written
                # The slot of one that has ended goes to another problem, which
                # this reply is not about.
                stop = row not in ended and self._is_enough(page)
                reply.stop[row - seen.first] = stop
                page.enough = stop
            self._share(seen, reply, ended)
            for row in ended:
                page = self._pages.pop(row)
                self._end(page.number, self._solution(page))
            if self._progress is not None:
                self._report(seen)
        return reply

    def _rows(self, seen: Round) -> list[int]:
        """Pages that the round is about."""
        last = seen.first + len(seen.problems)
        return [row for row in self._pages if seen.first <= row < last]

    def _follow(self, seen: Round, written: float) -> list[int]:
        """Notes a round; the pages of problems that it finds finished."""
        ended = []
        for place, number in enumerate(seen.problems):
            if number < 0:
                continue
            row = seen.first + place
            page = self._page(row, self._numbers[number])
            page.model_seconds += written - self._mark
            page.dropped = int(seen.dropped[place])
            page.peak_slots = int(seen.peak[place])
            page.settle(seen.nodes[place])
            if seen.finished[place]:
                ended.append(row)
            else:
                self._note(page, place, seen.twigs)
        return ended

    def _run_tools(self, seen: Round, reply: Reply) -> None:
        """Runs the programs that were completed; output joins their chains.

        What a model wrote behind a program, in the place of its output, is
        taken away.
        """
        if self._tools is None:
            return
        places = []
        for row in self._rows(seen):
            page = self._pages[row]
            for index in page.written:
                found = programs.completed(page, index, self._text)
                if found is not None:
                    places.append((row, index, found))
        outputs = self._tools.outputs(
            [
                (self._pages[row].programs(index), found.program)
                for row, index, found in places
            ]
        )
        for (row, index, found), output in zip(places, outputs, strict=True):
            page, place = self._pages[row], row - seen.first
            tokens = programs.join(
                page,
                index,
                found,
                output,
                self._text,
                self._config.output_tokens,
            )
            for branch, written in page.last.items():
                if written == index:
                    reply.output[place, branch, : len(tokens)] = tokens
                    reply.output_length[place, branch] = len(tokens)
                    if found.length is not None:
                        reply.length[place, branch] = found.length

    def _start(self, rows: Sequence[int]) -> inquiry.Inquiry:
        """Begins to judge what was written last in these pages."""
        thoughts, texts = [], []
        for page in map(self._pages.__getitem__, rows):
            for index in page.written:
                ended = page.entries[index].thought.kind == "answer"
                text = ""
                if ended:
                    text = self._opening + self._text.decode(page.ids(index))
                thoughts.append((page, index))
                texts.append(text)
        return self._ask.start(thoughts, texts)

    def _judge(self, page: Page, index: int, found: inquiry.Finding) -> None:
        """Writes down what was found; a first doubt lowers the chain's score.

        The search lowers it likewise, see `loop.keep`.
        """
        entry = page.entries[index]
        score = entry.thought.score
        if found.doubt and not entry.doubtful and score is not None:
            page.change(index, score=voting.lower(score))
        page.judge(index, *found)

    def _tell(self, seen: Round, reply: Reply) -> None:
        """Puts what was found about the thoughts in `last` into the reply."""
        for row in self._rows(seen):
            page = self._pages[row]
            for branch, index in page.last.items():
                thought = page.entries[index].thought
                reply.verdict[row - seen.first, branch] = thought.verdict
                reply.doubt[row - seen.first, branch] = thought.doubt

    def _count(
        self, page: Page, chains: Sequence[int]
    ) -> tuple[tuple[Vote, ...], int, list[voting.Candidate]]:
        """The votes of chains, the place of the best, and the candidates."""
        entries = [page.entries[i] for i in chains]
        groups, names = self._ask.group([entry.answer for entry in entries])
        voters = [voting.Candidate(e.thought, e.doubtful) for e in entries]
        votes, best = voting.count(voters, groups, names, self._strategy.weigh)
        return votes, best, voters

    def _is_enough(self, page: Page) -> bool:
        """Whether the search of a problem may end here."""
        config = self._config
        spent = time.monotonic() - page.started
        if config.seconds and spent >= config.seconds:
            return True
        # Without checks a vote may be decided before all chains have ended.
        votes_count = config.confidence or not self._checked
        if not page.answered or not votes_count:
            return False
        page.answered = False
        standing = page.last.values()
        ended = [
            index
            for index in page.answers()
            if page.entries[index].thought.verdict is not Verdict.INVALID
            and (page.entries[index].thought.kept or index in standing)
        ]
        if not ended:
            return False
        votes, best, voters = self._count(page, ended)
        if config.confidence:
            sure = voting.confidence(votes, voters[best])
            if sure >= config.confidence:
                return True
        return not self._checked and voting.is_decided(
            voters, votes, self._strategy.weigh, self._strategy.weighs
        )

    def _share(self, seen: Round, reply: Reply, ended: Sequence[int]) -> None:
        """Gives problems at the end of their tokens what others have left.

        One that cannot write a token in every branch any more is stopped.
        """
        if not self._config.tokens:
            return
        if self._config.adaptive:
            for row in ended:
                page = self._pages[row]
                self._pot += page.allowance - page.tokens
        for row in self._rows(seen):
            page, place = self._pages[row], row - seen.first
            width = len(page.last)
            wanted = width * self._most_tokens
            if not width or reply.stop[place]:
                continue
            if page.allowance - page.tokens < wanted:
                extra = min(self._pot, wanted)
                page.allowance += extra
                self._pot -= extra
                reply.extra[place] = extra
            reply.stop[place] = not (page.wrote or reply.extra[place])

    def _report(self, seen: Round) -> None:
        scores = [
            page.entries[i].thought.score
            for page in map(self._pages.get, self._rows(seen))
            for i in page.last.values()
        ]
        self._progress(
            Progress(
                round=self._rounds,
                finished=len(self._solutions),
                problems=len(self._problems),
                branches=int((seen.twigs.leaf >= 0).sum()),
                tokens=self._tokens,
                seconds=self._mark - self._began,
                best_score=max(scores) if self._learned and scores else None,
            )
        )

    def _page(self, row: int, number: int) -> Page:
        if row not in self._pages:
            problem = self._problems[number]
            reading = tasks.recognise(problem)
            limits = self._text.tasks
            trained = reading is not None and reading.family.name in limits
            self._pages[row] = Page(
                number,
                problem,
                tuple(self._begun[number]),
                reading and reading.statement,
                trained,
                outside=bool(limits) and not trained,
                started=self._mark,
                allowance=self._config.tokens,
            )
        return self._pages[row]

    def _note(self, page: Page, place: int, twigs: tree.Twigs) -> None:
        """Writes down what the branches of one problem wrote."""
        page.rounds += 1
        page.wrote = False
        seen: dict[tuple, int] = {}
        for branch in np.flatnonzero(twigs.leaf[place] >= 0).tolist():
            length = int(twigs.valid[place, branch].sum())
            forced = int(twigs.forced[place, branch])
            tokens = tuple(twigs.tokens[place, branch, forced:length].tolist())
            ahead = int(twigs.ahead[place, branch])
            page.read += length + ahead
            page.tokens += len(tokens) + ahead
            self._tokens += len(tokens) + ahead
            page.wrote |= bool(tokens)
            leaf = int(twigs.leaf[place, branch])
            index = seen.get((leaf, tokens))
            if index is not None:
                page.last[branch] = index
                page.change(index, count=page.entries[index].thought.count + 1)
                continue
            seen[leaf, tokens] = len(page.entries)
            page.last[branch] = len(page.entries)
            parent = page.nodes[leaf]
            before = page.entries[parent] if parent >= 0 else None
            kind = _KINDS[int(twigs.kind[place, branch])]
            whole = (before.unfinished if before else ()) + tokens
            # Where the limit cut a step its spaces are kept, to be joined.
            text = self._text.decode(tokens)
            if not (before and before.unfinished):
                text = text.lstrip()
            if kind != "open":
                text = text.rstrip()
            step, behind = self._step(before, whole, kind)
            score = float(twigs.score[place, branch])
            page.entries.append(
                Entry(
                    Thought(
                        parent=parent,
                        round=page.rounds - 1,
                        text=text,
                        kind=kind,
                        score=score if self._learned else None,
                        verdict=Verdict.UNKNOWN,
                        kept=False,
                        count=1,
                        tokens=len(tokens),
                    ),
                    tokens,
                    whole if kind == "open" else (),
                    step,
                    behind,
                    doubtful=before is not None and before.doubtful,
                )
            )

    def _step(
        self, before: Entry | None, tokens: Sequence[int], kind: str
    ) -> tuple[str, str]:
        """Text of a finished step, and what stands behind its delimiter.

        Args:
            before: the thought before it.
            tokens: of the whole step.
            kind: of the thought; `open` has not finished a step.
        """
        behind = before.behind if before else ""
        if kind == "open":
            return "", behind
        begin, rest = behind.encode(errors="surrogateescape"), b""
        if kind == "step":
            read, rest = self._text.cut(tokens, begin, self._breaks)
        else:
            read = begin + self._text.bytes_of(tokens)
        step = read.decode(errors="replace")
        for delimiter in self._text.steps:
            step = step.removesuffix(delimiter)
        behind = rest.decode(errors="surrogateescape")
        return step.strip(), behind if behind.strip() else ""

    def _end(self, number: int, solution: Solution) -> None:
        self._solutions[number] = solution
        if self._finished is not None:
            self._finished(number, solution)

    def _unsolved(self, number: int, note: str) -> Solution:
        return Solution(
            problem=self._problems[number],
            answer=None,
            verdict=Verdict.UNKNOWN,
            confidence=0.0,
            solved=False,
            strategy=self._config.strategy,
            votes=(),
            best_chain=(),
            thoughts=(),
            tokens={"generator": 0, "verifier": 0},
            seconds={"total": 0.0, "model": 0.0, "verify": 0.0},
            cache={"bytes": 0, "dense": 0, "peak_slots": 0},
            tree={"rounds": 0, "nodes": 0, "pruned": 0},
            note=note,
        )

    def _solution(self, page: Page) -> Solution:
        thoughts = tuple(entry.thought for entry in page.entries)
        chains = voting.candidates(thoughts, list(page.answers()))
        votes, best, voters = self._count(page, chains)
        winner = chains[best] if votes else None
        verdict = Verdict.UNKNOWN
        confidence, answer = 0.0, None
        if winner is not None:
            answer = votes[0].answer
            verdict = thoughts[winner].verdict
            confidence = voting.confidence(votes, voters[best])
        proven = verdict is Verdict.VALID
        if page.outside and not proven:
            confidence = 0.0
        note = remarks.about(page, winner, self._checked, self._text.tasks)
        now = time.monotonic()
        return dataclasses.replace(
            self._unsolved(page.number, note),
            answer=answer,
            verdict=verdict,
            confidence=confidence,
            solved=proven,
            votes=votes,
            best_chain=page.path(winner),
            thoughts=thoughts,
            tokens={
                "generator": page.tokens,
                "verifier": page.read * self._readers,
            },
            seconds={
                "total": now - page.started,
                "model": page.model_seconds,
                "verify": page.verify_seconds,
            },
            cache={
                "bytes": self._cache_bytes,
                "dense": self._dense_bytes,
                "peak_slots": page.peak_slots,
            },
            tree={
                "rounds": page.rounds,
                "nodes": sum(t.kept for t in thoughts),
                "pruned": sum(not t.kept for t in thoughts),
            },
        )
