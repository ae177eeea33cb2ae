"""The host's side of a search: text, symbolic verdicts, votes, reports.

The loop works on arrays; the journal follows it round by round, asks the
symbolic verifiers about what was written, and turns a finished tree into a
`Solution`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

import numpy as np

from jaxlrm import tasks
from jaxlrm.config import SearchConfig
from jaxlrm.search import tree, vote
from jaxlrm.search.search import Round
from jaxlrm.search.strategies import Strategy
from jaxlrm.solution import (
    Progress,
    ProgressCallback,
    Solution,
    Thought,
    Vote,
)
from jaxlrm.text import Text
from jaxlrm.verify import steps as steps_lib
from jaxlrm.verify.maths import is_equivalent, normal_form
from jaxlrm.verify.verdict import Verdict, combine
from jaxlrm.verify.workers import Pool

_KINDS = {tree.STEP: "step", tree.OPEN: "open", tree.ANSWER: "answer"}
_TRUSTED = 0.5  # confidence above which an unproven answer is stood by


@dataclasses.dataclass
class _Entry:
    """A thought while its problem is being solved.

    Attributes:
        thought: what will be reported.
        lines: the chain's finished steps up to here.
        unfinished: tokens of a last step that the limit cut.
    """

    thought: Thought
    lines: tuple[str, ...]
    unfinished: tuple[int, ...]


@dataclasses.dataclass
class _Page:
    """What is known of one problem.

    Attributes:
        number: its number.
        statement: what it asks about, None if no family reads it.
        outside: no family that the model was trained on reads it.
        started: when its slot was filled.
        entries: thoughts, parents first.
        nodes: the entry of each node of the tree; -1 is the problem.
        last: the entry of each branch of the last round.
    """

    number: int
    statement: str | None
    outside: bool
    started: float
    entries: list[_Entry] = dataclasses.field(default_factory=list)
    nodes: dict[int, int] = dataclasses.field(default_factory=lambda: {0: -1})
    last: dict[int, int] = dataclasses.field(default_factory=dict)
    rounds: int = 0
    tokens: int = 0
    model_seconds: float = 0.0
    verify_seconds: float = 0.0
    peak_slots: int = 0


class Journal:
    """Follows the searches of one call of `Engine.solve`."""

    def __init__(
        self,
        problems: Sequence[str],
        config: SearchConfig,
        text: Text,
        pool: Pool | None,
        *,
        progress: ProgressCallback | None,
        finished: Callable[[int, Solution], None] | None,
    ):
        self._problems, self._config, self._text = problems, config, text
        self._pool, self._progress = pool, progress
        self._finished = finished
        self._solutions: dict[int, Solution] = {}
        self._pages: dict[int, _Page] = {}
        self._learned = config.verifiers in ("learned", "both")
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
        self._cache_bytes, self._dense_bytes = cache_bytes, dense_bytes
        self._separate_reward = separate_reward
        self._mark = time.monotonic()

    def measure(self, slots: np.ndarray, cache_bytes: int) -> None:
        """Called after each round with the trunk slots `[G]` in use."""
        self._cache_bytes = cache_bytes
        for row, used in enumerate(slots):
            if row in self._pages:
                page = self._pages[row]
                page.peak_slots = max(page.peak_slots, int(used))

    def verify(self, seen: Round) -> np.ndarray:
        """Takes note of a round and judges what it wrote: `[G, B] int32`."""
        written = time.monotonic()
        self._rounds += 1
        verdicts = np.zeros(seen.nodes.shape, np.int32)
        asked: list[tuple[int, int]] = []  # slot, entry
        jobs = []
        ended = []
        best_score = None
        for row, place in enumerate(seen.problems):
            if place < 0:
                continue
            page = self._page(row, self._numbers[place])
            page.model_seconds += written - self._mark
            self._settle(page, seen.nodes[row])
            if seen.finished[row]:
                ended.append(row)
                continue
            self._note(page, row, seen.twigs)
            scores = [page.entries[i].thought.score for i in page.last.values()]
            if self._learned and scores:
                best_score = max(best_score or 0.0, *scores)
            asked += [
                (row, index) for index in dict.fromkeys(page.last.values())
            ]
        if self._pool is not None:
            jobs = self._judge(asked)
        for (row, index), verdict in zip(asked, jobs, strict=False):
            entry = self._pages[row].entries[index]
            entry.thought = dataclasses.replace(entry.thought, verdict=verdict)
        for row, page in self._pages.items():
            for branch, index in page.last.items():
                verdicts[row, branch] = page.entries[index].thought.verdict
        self._mark = time.monotonic()
        for page in self._pages.values():
            page.verify_seconds += self._mark - written
        for row in ended:
            page = self._pages.pop(row)
            self._end(page.number, self._solution(page))
        if self._progress is not None:
            self._progress(
                Progress(
                    round=self._rounds,
                    finished=len(self._solutions),
                    problems=len(self._problems),
                    branches=int((seen.twigs.leaf >= 0).sum()),
                    tokens=self._tokens,
                    seconds=self._mark - self._began,
                    best_score=best_score,
                )
            )
        return verdicts

    def _page(self, row: int, number: int) -> _Page:
        if row not in self._pages:
            reading = tasks.recognise(self._problems[number])
            family = reading and reading.family
            statement = reading and reading.statement
            limits = self._text.tasks
            outside = bool(limits) and (
                family is None or family.name not in limits
            )
            self._pages[row] = _Page(number, statement, outside, self._mark)
        return self._pages[row]

    def _settle(self, page: _Page, nodes: np.ndarray) -> None:
        """Learns which thoughts of the last round were kept."""
        for branch, index in page.last.items():
            if nodes[branch] >= 0:
                page.nodes[int(nodes[branch])] = index
                entry = page.entries[index]
                entry.thought = dataclasses.replace(entry.thought, kept=True)
        page.last = {}

    def _note(self, page: _Page, row: int, twigs: tree.Twigs) -> None:
        """Writes down what the branches of one problem wrote."""
        page.rounds += 1
        seen: dict[tuple, int] = {}
        for branch in np.flatnonzero(twigs.leaf[row] >= 0).tolist():
            length = int(twigs.valid[row, branch].sum())
            tokens = tuple(twigs.tokens[row, branch, :length].tolist())
            spent = length + int(twigs.ahead[row, branch])
            page.tokens += spent
            self._tokens += spent
            leaf = int(twigs.leaf[row, branch])
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
            kind = _KINDS[int(twigs.kind[row, branch])]
            whole = (before.unfinished if before else ()) + tokens
            lines = before.lines if before else ()
            text = self._text.decode_step(tokens)
            if kind != "open":
                step = self._text.decode_step(whole)
                lines = (*lines, *(step.split("\n") if step else [""]))
                whole = ()
            score = float(twigs.score[row, branch])
            page.entries.append(
                _Entry(
                    Thought(
                        parent=parent,
                        round=page.rounds - 1,
                        text=text,
                        kind=kind,
                        score=score if self._learned else None,
                        verdict=Verdict.UNKNOWN,
                        kept=False,
                        count=1,
                        tokens=length,
                    ),
                    lines,
                    whole,
                )
            )

    def _judge(self, asked: Sequence[tuple[int, int]]) -> list[Verdict]:
        """Symbolic verdicts of thoughts, as `(slot, entry)`."""
        pages = self._pages
        groups: dict[Callable, list[tuple[int, tuple]]] = {}
        verdicts = [Verdict.UNKNOWN] * len(asked)
        for place, (row, index) in enumerate(asked):
            page = pages[row]
            job = _job(page.statement, page.entries[index], self._strategy)
            if isinstance(job, Verdict):
                verdicts[place] = job
            else:
                groups.setdefault(job[0], []).append((place, job[1]))
        batches = [
            (jobs, self._pool.start(function, [args for _, args in jobs]))
            for function, jobs in groups.items()
        ]
        for jobs, batch in batches:
            for (place, _), verdict in zip(jobs, batch.result(), strict=True):
                verdicts[place] = verdict
        return [
            self._of_chain(pages[row], index, verdict)
            for (row, index), verdict in zip(asked, verdicts, strict=True)
        ]

    def _of_chain(self, page: _Page, index: int, verdict: Verdict) -> Verdict:
        """An answer is VALID only if every step before it is.

        And only if it is known what the first of them had to follow from.
        """
        thought = page.entries[index].thought
        if thought.kind != "answer":
            return verdict
        if page.statement is None and verdict is Verdict.VALID:
            return Verdict.UNKNOWN
        verdicts = [verdict]
        parent = thought.parent
        while parent >= 0:
            before = page.entries[parent].thought
            if before.kind != "open":
                verdicts.append(before.verdict)
            parent = before.parent
        return verdict if len(verdicts) == 1 else combine(verdicts)

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

    def _solution(self, page: _Page) -> Solution:
        thoughts = tuple(entry.thought for entry in page.entries)
        answers = {
            index: answer
            for index, entry in enumerate(page.entries)
            if entry.thought.kind == "answer"
            and (answer := steps_lib.chain_answer(page.statement, entry.lines))
        }
        candidates = _candidates(page.entries, list(answers))
        votes, chosen = _ballot(
            [page.entries[i].thought for i in candidates],
            [answers[i] for i in candidates],
            self._strategy.vote,
        )
        winner = candidates[chosen] if votes else None
        verdict = Verdict.UNKNOWN
        confidence, answer = 0.0, None
        if winner is not None:
            answer = votes[0].answer
            verdict = thoughts[winner].verdict
            confidence = _confidence(votes, thoughts[winner])
        proven = verdict is Verdict.VALID
        checked = self._pool is not None
        note = ""
        if page.outside and not proven:  # a proof needs no trust
            confidence = 0.0
            note = (
                "the model was trained on other families of problems: "
                + ", ".join(self._text.tasks)
            )
        elif winner is None:
            note = "no chain of thought came to an end within the budget"
        elif checked and page.statement is None:
            note = (
                "no known family of problems is phrased like this, so the "
                "answer could not be checked"
            )
        elif checked and not proven:
            note = "no chain passed all checks; the answer is a guess"
        now = time.monotonic()
        return dataclasses.replace(
            self._unsolved(page.number, note),
            answer=answer,
            verdict=verdict,
            confidence=confidence,
            solved=proven if checked else confidence > _TRUSTED,
            votes=votes,
            best_chain=_path(thoughts, winner),
            thoughts=thoughts,
            tokens={
                "generator": page.tokens,
                "verifier": page.tokens if self._separate_reward else 0,
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


def _job(statement: str | None, entry: _Entry, strategy: Strategy):
    """What to ask of the symbolic verifier, or a verdict known without it."""
    kind, lines = entry.thought.kind, list(entry.lines)
    if kind == "open":
        return Verdict.UNKNOWN
    if not lines[-1]:
        return Verdict.INVALID  # an empty step says nothing
    if strategy.whole and statement is not None:
        return steps_lib.check_solution, (statement, lines)
    if statement is None:
        statement, *lines = lines
        if not lines:
            return Verdict.UNKNOWN  # nothing to compare the first step with
        return steps_lib.check_chain, (statement, lines)
    if kind == "answer":
        return steps_lib.check_answer, (statement, lines)
    return steps_lib.check_chain, (statement, lines)


def _candidates(entries: Sequence[_Entry], ended: list[int]) -> list[int]:
    """Chains that may be voted on: proven ones, else kept, else any."""
    kept = [i for i in ended if entries[i].thought.kept]
    proven = [i for i in kept if entries[i].thought.verdict is Verdict.VALID]
    return proven or kept or ended


def _ballot(
    thoughts: Sequence[Thought], answers: Sequence[str], weigh: vote.Weigh
) -> tuple[tuple[Vote, ...], int]:
    """The votes, heaviest first, and the best chain for the first of them."""
    if not thoughts:
        return (), -1
    names: list[str] = []  # of each group of equal answers
    known: dict[str, int] = {}
    for answer in answers:
        form = normal_form(answer)
        if form in known:
            continue
        for group, name in enumerate(names):
            if is_equivalent(answer, name):
                known[form] = group
                break
        else:
            known[form] = len(names)
            names.append(answer)
    groups = [known[normal_form(answer)] for answer in answers]
    score = np.array([1.0 if t.score is None else t.score for t in thoughts])
    count = np.array([t.count for t in thoughts])
    shares = vote.tally(groups, weigh(score, count))
    votes = tuple(
        Vote(
            answer=names[group],
            weight=share,
            count=int(
                sum(count[i] for i, g in enumerate(groups) if g == group)
            ),
            verdict=_best_verdict(
                t.verdict
                for t, g in zip(thoughts, groups, strict=True)
                if g == group
            ),
        )
        for group, share in shares.items()
    )
    first = next(iter(shares))
    members = [i for i, group in enumerate(groups) if group == first]
    chosen = max(
        members,
        key=lambda i: (thoughts[i].verdict is Verdict.VALID, score[i], -i),
    )
    return votes, chosen


def _best_verdict(verdicts) -> Verdict:
    found = set(verdicts)
    for verdict in (Verdict.VALID, Verdict.UNKNOWN, Verdict.TIMEOUT):
        if verdict in found:
            return verdict
    return found.pop()


def _confidence(votes: Sequence[Vote], chain: Thought) -> float:
    """1 for a proven chain; else the vote's share times the learned score.

    Without a score, votes alone speak: `k` of `n` chains agreeing counts as
    `k / (n + 1)`, so that one chain says little. A chain that a verifier
    refuted leaves none.
    """
    if chain.verdict is Verdict.VALID:
        return 1.0
    if chain.verdict is Verdict.INVALID:
        return 0.0
    chains = sum(vote.count for vote in votes)
    trust = chains / (chains + 1) if chain.score is None else chain.score
    return votes[0].weight * trust


def _path(thoughts: Sequence[Thought], last: int | None) -> tuple[int, ...]:
    path = []
    while last is not None and last >= 0:
        path.append(last)
        last = thoughts[last].parent
    return tuple(reversed(path))
