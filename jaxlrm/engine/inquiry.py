"""What the host asks the worker processes about the thoughts of a search."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jaxlrm.engine.page import Page
from jaxlrm.verify import judging
from jaxlrm.verify.verdict import Verdict, agree
from jaxlrm.verify.workers import Batch, Pool

# problem, lines of the chain, whether it has ended -> verdict on the last step
Checker = Callable[[str, Sequence[str], bool], Verdict]

# Seconds that a program waits for verdicts inside of a callback: XLA ends a
# process of which a device has waited for another for 60 s.
_PATIENCE = 30.0


class Finding(NamedTuple):
    """What was found about a thought.

    Attributes:
        verdict: of all verifiers together.
        doubt: see `verify.steps.Judgement`.
        answer: of the chain that it ends, bare; None if it states none.
    """

    verdict: Verdict
    doubt: bool
    answer: str | None


@dataclasses.dataclass
class Inquiry:
    """Thoughts that are being judged.

    Attributes:
        thoughts: as `(page, index)`.
        jobs: of `judging.judge`, by the place of their thought.
        judged: their results to come.
        checked: of each of the user's checkers the places of the thoughts
            that it judges, and its verdicts to come.
    """

    thoughts: list[tuple[Page, int]]
    jobs: dict[int, tuple]
    judged: Batch
    checked: list[tuple[Checker, list[int], Batch]]


class Inquirer:
    """Asks about thoughts and answers; nothing is parsed in this process."""

    def __init__(
        self,
        pool: Pool,
        checkers: Sequence[Checker],
        *,
        checked: bool,
        patient: bool,
    ):
        """Asks nothing yet.

        Args:
            pool: of `judging` and of the modules of the checkers.
            checkers: of the user.
            checked: whether steps are judged; else only answers are read.
            patient: wait for all results, which come by their deadlines; else
                only so long as a program may be kept waiting.
        """
        self._pool, self._patient = pool, patient
        self._checked = checked
        self._checkers = checkers if checked else ()
        self._warned: set[str] = set()  # checkers that failed

    def start(
        self, thoughts: Sequence[tuple[Page, int]], texts: Sequence[str]
    ) -> Inquiry:
        """Begins to judge thoughts.

        Args:
            thoughts: as `(page, index)`.
            texts: for each that ends a chain, the chain's exact text.
        """
        jobs: dict[int, tuple] = {}
        given: list[tuple] = []
        places: list[int] = []
        for place, ((page, index), text) in enumerate(
            zip(thoughts, texts, strict=True)
        ):
            entry = page.entries[index]
            kind, ended = entry.thought.kind, entry.thought.kind == "answer"
            if kind == "open" or not (ended or self._checked):
                continue
            chain = page.chain(index)
            # What was there before is judged with the answer.
            first = 0 if ended and page.begun else len(chain)
            jobs[place] = (
                page.problem,
                page.statement,
                chain,
                entry.step,
                first,
                ended,
                self._checked,
                page.trained,
                text,
            )
            if self._checkers:
                lines = judging.lines_of([*chain, entry.step])
                given.append((page.problem, lines, ended))
                places.append(place)
        return Inquiry(
            list(thoughts),
            jobs,
            self._pool.start(judging.judge, list(jobs.values()), plain=True),
            [
                (checker, places, self._pool.start(checker, given))
                for checker in self._checkers
            ],
        )

    def collect(self, inquiry: Inquiry) -> list[Finding]:
        """Waits for what was found about each thought.

        Where a step took too long to be judged, its chain's answer is read all
        the same.
        """
        end = time.monotonic() + _PATIENCE
        judged = self._wait(inquiry.judged, end)
        found = dict(zip(inquiry.jobs, judged, strict=True))
        failed = {
            place: found[place]
            for place, job in inquiry.jobs.items()
            if isinstance(found[place], Verdict) and job[5] and job[6]
        }
        again = [
            (*inquiry.jobs[p][:6], False, *inquiry.jobs[p][7:]) for p in failed
        ]
        batch = self._pool.start(judging.judge, again, plain=True)
        for place, result in zip(failed, self._wait(batch, end), strict=True):
            answer = None if isinstance(result, Verdict) else result[2]
            found[place] = (failed[place], False, answer)
        verdicts: list[list[Verdict]] = [[] for _ in inquiry.thoughts]
        others: list[tuple[bool, str | None]] = []
        for place in range(len(inquiry.thoughts)):
            result = found.get(place, Verdict.UNKNOWN)
            if isinstance(result, Verdict):
                result = (result, False, None)
            verdicts[place].append(Verdict(result[0]))
            others.append(result[1:])
        for checker, places, batch in inquiry.checked:
            said = self._wait(batch, end)
            for place, verdict in zip(places, said, strict=True):
                verdicts[place].append(verdict)
            self._notice(checker, [inquiry.thoughts[p] for p in places], said)
        return [
            Finding(agree(of_thought), *rest)
            for of_thought, rest in zip(verdicts, others, strict=True)
        ]

    def group(self, answers: Sequence[str]) -> tuple[list[int], list[str]]:
        """The group of each answer, and the name of each group.

        Where comparing them takes too long, equal texts are equal answers.
        """
        if len(set(answers)) < 2:
            return [0] * len(answers), list(answers[:1])
        batch = self._pool.start(judging.group, [(list(answers),)], plain=True)
        (found,) = self._wait(batch, time.monotonic() + _PATIENCE)
        if not isinstance(found, Verdict):
            return found[0], found[1]
        names: dict[str, int] = {}
        forms = ["".join(answer.split()) for answer in answers]
        groups = [names.setdefault(form, len(names)) for form in forms]
        return groups, [answers[forms.index(form)] for form in names]

    def _wait(self, batch: Batch, end: float) -> list:
        if self._patient:
            return batch.result()
        return batch.so_far(max(end - time.monotonic(), 0.0))

    def _notice(
        self,
        checker: Checker,
        thoughts: Sequence[tuple[Page, int]],
        verdicts: Sequence[Verdict],
    ) -> None:
        """Warns of a checker that failed: a veto is missed in silence."""
        name = checker_name(checker)
        for (page, _), verdict in zip(thoughts, verdicts, strict=True):
            if verdict not in (Verdict.ERROR, Verdict.TIMEOUT):
                continue
            raised = verdict is Verdict.ERROR and self._pool.failure(checker)
            page.failures.setdefault(name, raised or verdict.name)
            if name not in self._warned:
                self._warned.add(name)
                warnings.warn(
                    failure(name, page.failures[name]),
                    RuntimeWarning,
                    stacklevel=4,
                )


def checker_name(checker: Checker) -> str:
    """As `--checkers` takes it."""
    return f"{checker.__module__}:{checker.__qualname__}"


def failure(checker: str, why: str) -> str:
    """What a person should know of a checker that failed."""
    return f"checker {checker} failed: {why}; where it fails it vetoes nothing"
