"""The host's side of a search: text, symbolic verdicts, votes, reports.

The loop works on arrays; the journal follows it round by round, asks the
symbolic verifiers about what was written, and turns a finished tree into a
`Solution`.
"""

from __future__ import annotations

import dataclasses
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from jaxlrm import ballot, tasks
from jaxlrm.config import SearchConfig
from jaxlrm.page import Entry, Page
from jaxlrm.search import search, tree
from jaxlrm.search.search import Reply, Round
from jaxlrm.search.strategies import Strategy
from jaxlrm.solution import (
    Progress,
    ProgressCallback,
    Solution,
    Thought,
)
from jaxlrm.text import Text
from jaxlrm.verify import steps as steps_lib
from jaxlrm.verify.tools import Interpreter, program_of
from jaxlrm.verify.verdict import Verdict, agree
from jaxlrm.verify.workers import Batch, Pool

# problem, steps of the chain, whether it has ended -> verdict on the last
Checker = Callable[[str, Sequence[str], bool], Verdict]

_KINDS = {tree.STEP: "step", tree.OPEN: "open", tree.ANSWER: "answer"}
_TRUSTED = 0.5  # confidence above which an unproven answer is stood by

# Seconds that a program waits for verdicts inside of a callback: XLA ends a
# process of which a device has waited for another for 60 s.
_PATIENCE = 30.0


@dataclasses.dataclass
class _Asked:
    """Thoughts that are being judged.

    Attributes:
        thoughts: as `(page, entry)`.
        verdicts: what is known of each.
        batches: the places in these lists, and their verdicts to come.
        functions: who gives those of each batch.
        found: the verdicts of each batch, when they are collected.
    """

    thoughts: list[tuple[Page, int]] = dataclasses.field(default_factory=list)
    verdicts: list[list[Verdict]] = dataclasses.field(default_factory=list)
    batches: list[tuple[list[int], Batch]] = dataclasses.field(
        default_factory=list
    )
    functions: list[Callable] = dataclasses.field(default_factory=list)
    found: list[list[Verdict]] = dataclasses.field(default_factory=list)


def checker_name(checker: Checker) -> str:
    """As `--checkers` takes it."""
    return f"{checker.__module__}:{checker.__qualname__}"


class Journal:
    """Follows the searches of one call of `Engine.solve`."""

    def __init__(
        self,
        problems: Sequence[str],
        config: SearchConfig,
        text: Text,
        pool: Pool | None,
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
            pool: checks steps; None asks no symbolic verifier.
            checkers: beside the package's; functions of the pool's modules.
            tools: runs steps that are programs; None runs none.
            begun: of each problem, steps that were there before the search.
            progress: called after each round.
            finished: called with the number and solution of a problem.
        """
        self._problems, self._config, self._text = problems, config, text
        self._pool, self._checkers, self._tools = pool, checkers, tools
        self._begun = begun or [()] * len(problems)
        self._progress, self._finished = progress, finished
        self._solutions: dict[int, Solution] = {}
        self._pages: dict[int, Page] = {}
        self._pot = 0  # tokens that finished problems have left
        self._learned = config.verifiers in ("learned", "both")
        self._lock = threading.Lock()  # shards of a fused search ask at once
        self._began = self._mark = time.monotonic()
        self._rounds = self._tokens = 0
        self._failed: set[str] = set()  # checkers that were warned of

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
        separate_reward: bool,
    ) -> None:
        """Called once, before the first round.

        Args:
            strategy: the search.
            numbers: the problem of each entry of the loop's queue.
            cache_bytes: keys and values allocated for a problem.
            dense_bytes: the same if every branch had its own.
            separate_reward: a reward model reads what is written.
        """
        self._strategy, self._numbers = strategy, numbers
        self._most_tokens = strategy.step_tokens - strategy.output_tokens
        self._cache_bytes, self._dense_bytes = cache_bytes, dense_bytes
        self._separate_reward = separate_reward
        self._mark = time.monotonic()

    def measure(self, cache_bytes: int) -> None:
        """Called after each round with what the cache has grown to.

        Args:
            cache_bytes: keys and values allocated for a problem.
        """
        self._cache_bytes = cache_bytes

    def ask(self, seen: Round) -> Reply:
        """Takes note of a round, judges what it wrote, and runs its tools."""
        reply = search.no_reply(len(seen.problems), self._strategy)
        with self._lock:
            written = time.monotonic()
            # Shards of a fused search ask about parts of one round.
            shard = self._config.execution == "fused" and seen.first > 0
            self._rounds += not shard
            ended = self._follow(seen, written)
            self._run_tools(seen, reply)
            asked = self._start(self._rows(seen))
        self._collect(asked)
        self._notice_failures(asked)
        with self._lock:
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
        """Runs the steps that are programs; their output joins the chain."""
        if self._tools is None:
            return
        places = []
        for row in self._rows(seen):
            page = self._pages[row]
            for index in dict.fromkeys(page.last.values()):
                entry = page.entries[index]
                program = entry.thought.kind == "step" and program_of(
                    entry.written
                )
                if program:
                    places.append((row, index, program))
        outputs = self._tools.outputs(
            [
                (self._pages[row].programs(index), program)
                for row, index, program in places
            ]
        )
        for (row, index, program), output in zip(places, outputs, strict=True):
            page = self._pages[row]
            entry = page.entries[index]
            tokens, shown = self._text.encode_output(
                output, self._config.output_tokens
            )
            entry.program = program
            entry.lines = (*entry.lines, *shown.splitlines())
            entry.thought = dataclasses.replace(entry.thought, output=shown)
            for branch, written in page.last.items():
                if written == index:
                    place = row - seen.first
                    reply.output[place, branch, : len(tokens)] = tokens
                    reply.output_length[place, branch] = len(tokens)

    def _tell(self, seen: Round, reply: Reply) -> None:
        """Puts the verdicts of the thoughts in `last` into the reply."""
        for row in self._rows(seen):
            page = self._pages[row]
            for branch, index in page.last.items():
                verdict = page.entries[index].thought.verdict
                reply.verdict[row - seen.first, branch] = verdict

    def _is_enough(self, page: Page) -> bool:
        """Whether the search of a problem may end here."""
        config = self._config
        spent = time.monotonic() - page.started
        if config.seconds and spent >= config.seconds:
            return True
        if not page.answered:
            return False
        page.answered = False
        standing = page.last.values()
        answers = page.answers()
        ended = [
            index
            for index in answers
            if page.entries[index].thought.verdict is not Verdict.INVALID
            and (page.entries[index].thought.kept or index in standing)
        ]
        thoughts = [page.entries[i].thought for i in ended]
        votes, chosen = ballot.count(
            thoughts, [answers[i] for i in ended], self._strategy.vote
        )
        if not votes:
            return False
        if config.confidence:
            sure = ballot.confidence(votes, thoughts[chosen])
            if sure >= config.confidence:
                return True
        return self._pool is None and ballot.is_decided(
            thoughts, votes, self._strategy.vote, self._strategy.votes
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
            reading = tasks.recognise(self._problems[number])
            family = reading and reading.family
            statement = reading and reading.statement
            limits = self._text.tasks
            outside = bool(limits) and (
                family is None or family.name not in limits
            )
            self._pages[row] = Page(
                number,
                statement,
                outside,
                self._mark,
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
                entry = page.entries[index]
                entry.thought = dataclasses.replace(
                    entry.thought, count=entry.thought.count + 1
                )
                continue
            seen[leaf, tokens] = len(page.entries)
            page.last[branch] = len(page.entries)
            parent = page.nodes[leaf]
            before = page.entries[parent] if parent >= 0 else None
            kind = _KINDS[int(twigs.kind[place, branch])]
            whole = (before.unfinished if before else ()) + tokens
            lines = before.lines if before else ()
            # Where the limit cut a step its spaces are kept, to be joined.
            text = self._text.decode(tokens)
            if not (before and before.unfinished):
                text = text.lstrip()
            if kind != "open":
                text = text.rstrip()
            step = ""
            if kind != "open":
                step = self._text.decode_step(whole)
                lines = (*lines, *(step.split("\n") if step else [""]))
                whole = ()
            page.answered |= kind == "answer"
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
                    lines,
                    whole,
                    step,
                )
            )

    def _start(self, rows: Iterable[int]) -> _Asked:
        """Begins to judge the last thoughts of these pages."""
        asked = _Asked()
        if self._pool is None:
            return asked
        jobs: dict[Callable, list[tuple[int, tuple]]] = {}
        for row in rows:
            page = self._pages[row]
            for index in dict.fromkeys(page.last.values()):
                entry = page.entries[index]
                place = len(asked.thoughts)
                asked.thoughts.append((page, index))
                asked.verdicts.append([])
                lines = [*self._begun[page.number], *entry.lines]
                kind = entry.thought.kind
                # What was there before is judged with the answer.
                whole = self._strategy.whole or (
                    kind == "answer" and bool(self._begun[page.number])
                )
                job = _job(page.statement, kind, lines, whole)
                if isinstance(job, Verdict):
                    asked.verdicts[place].append(job)
                else:
                    jobs.setdefault(job[0], []).append((place, job[1]))
                if kind == "open":
                    continue
                for checker in self._checkers:
                    given = (
                        self._problems[page.number],
                        lines,
                        kind == "answer",
                    )
                    jobs.setdefault(checker, []).append((place, given))
        for function, ones in jobs.items():
            batch = self._pool.start(function, [given for _, given in ones])
            asked.batches.append(([place for place, _ in ones], batch))
            asked.functions.append(function)
        return asked

    def _collect(self, asked: _Asked) -> None:
        """Waits for verdicts and writes them down."""
        fused = self._config.execution == "fused"
        end = time.monotonic() + _PATIENCE
        for places, batch in asked.batches:
            left = max(end - time.monotonic(), 0.0)
            found = batch.so_far(left) if fused else batch.result()
            asked.found.append(found)
            for place, verdict in zip(places, found, strict=True):
                asked.verdicts[place].append(verdict)
        with self._lock:
            for (page, index), verdicts in zip(
                asked.thoughts, asked.verdicts, strict=True
            ):
                entry = page.entries[index]
                verdict = page.verdict_on_chain(index, agree(verdicts))
                entry.thought = dataclasses.replace(
                    entry.thought, verdict=verdict
                )
                page.answered |= entry.thought.kind == "answer"

    def _notice_failures(self, asked: _Asked) -> None:
        """Warns of each checker that failed: a veto is missed in silence."""
        for checker, (places, _), found in zip(
            asked.functions, asked.batches, asked.found, strict=True
        ):
            if checker not in self._checkers:
                continue
            name = checker_name(checker)
            for place, verdict in zip(places, found, strict=True):
                if verdict not in (Verdict.ERROR, Verdict.TIMEOUT):
                    continue
                raised = verdict is Verdict.ERROR and self._pool.failure(
                    checker
                )
                page, _ = asked.thoughts[place]
                with self._lock:
                    page.failures.setdefault(name, raised or verdict.name)
                    told = name in self._failed
                    self._failed.add(name)
                if not told:
                    warnings.warn(
                        _failure(name, page.failures[name]),
                        RuntimeWarning,
                        stacklevel=2,
                    )

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

    def _remarks(self, page: Page, winner: int | None) -> Iterator[str]:
        """What a person should know of the solution that `winner` ends."""
        yield self._doubt(page, winner)
        if page.dropped:
            yield f"steps let go because the cache was full: {page.dropped}"
        for name, why in page.failures.items():
            yield _failure(name, why)

    def _doubt(self, page: Page, winner: int | None) -> str:
        """Why there is no answer or no proof of it, in words."""
        chain = [page.entries[i].thought for i in page.path(winner)]
        if chain and chain[-1].verdict is Verdict.VALID:
            return ""  # a proof needs no trust
        if page.outside:
            return "the model was trained on other families of problems: " + (
                ", ".join(self._text.tasks)
            )
        if winner is None:
            return _no_answer([entry.thought for entry in page.entries])
        if self._pool is None:
            return ""
        if page.statement is None:
            return (
                "no known family of problems is phrased like this, so the "
                "answer could not be checked"
            )
        if all(thought.verdict is Verdict.UNKNOWN for thought in chain):
            return (
                "the checks neither prove nor refute the steps of this chain; "
                "the answer is a guess"
            )
        return "no chain passed all checks; the answer is a guess"

    def _solution(self, page: Page) -> Solution:
        thoughts = tuple(entry.thought for entry in page.entries)
        answers = page.answers()
        chains = ballot.candidates(thoughts, list(answers))
        votes, chosen = ballot.count(
            [page.entries[i].thought for i in chains],
            [answers[i] for i in chains],
            self._strategy.vote,
        )
        winner = chains[chosen] if votes else None
        verdict = Verdict.UNKNOWN
        confidence, answer = 0.0, None
        if winner is not None:
            answer = votes[0].answer
            verdict = thoughts[winner].verdict
            confidence = ballot.confidence(votes, thoughts[winner])
        proven = verdict is Verdict.VALID
        checked = self._pool is not None
        if page.outside and not proven:
            confidence = 0.0
        note = "; ".join(filter(None, self._remarks(page, winner)))
        now = time.monotonic()
        return dataclasses.replace(
            self._unsolved(page.number, note),
            answer=answer,
            verdict=verdict,
            confidence=confidence,
            solved=proven if checked else confidence > _TRUSTED,
            votes=votes,
            best_chain=page.path(winner),
            thoughts=thoughts,
            tokens={
                "generator": page.tokens,
                "verifier": page.read if self._separate_reward else 0,
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


def _failure(checker: str, why: str) -> str:
    return f"checker {checker} failed: {why}; where it fails it vetoes nothing"


def _no_answer(thoughts: Sequence[Thought]) -> str:
    ended = sum(t.count for t in thoughts if t.kind == "answer")
    if not ended:
        return "no chain of thought came to an end within the budget"
    return f"no chain that ended states a usable answer; ended: {ended}"


def _job(statement: str | None, kind: str, lines: list[str], whole: bool):
    """What to ask of the symbolic verifier, or a verdict known without it."""
    if kind == "open":
        return Verdict.UNKNOWN
    if not lines[-1]:
        return Verdict.INVALID  # an empty step says nothing
    if whole and statement is not None:
        return steps_lib.check_solution, (statement, lines)
    if statement is None:
        statement, *lines = lines
        if not lines:
            return Verdict.UNKNOWN  # nothing to compare the first step with
        return steps_lib.check_chain, (statement, lines)
    if kind == "answer":
        return steps_lib.check_answer, (statement, lines)
    return steps_lib.check_chain, (statement, lines)
