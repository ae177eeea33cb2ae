"""The symbolic verifiers of an engine, asked in worker processes.

Nothing that a model wrote is parsed in this process: `judging` has the jobs.
"""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jaxlrm.verify import judging
from jaxlrm.verify.verdict import Verdict, agree
from jaxlrm.verify.workers import Batch, Pool

# problem, lines of the chain, whether it has ended -> verdict on the last step
Checker = Callable[[str, Sequence[str], bool], Verdict]

# Seconds that a program waits for verdicts inside of a callback: XLA ends a
# process of which a device has waited for another for 60 s.
_PATIENCE = 30.0


class Question(NamedTuple):
    """What is asked about a step: the arguments of `judging.judge`."""

    problem: str
    statement: str | None
    chain: list[str]
    step: str
    first: int
    ended: bool
    checked: bool
    trained: bool
    text: str


class Finding(NamedTuple):
    """What was found about a step.

    Attributes:
        verdict: of all verifiers together.
        doubt: see `verify.steps.Judgement`.
        answer: of the chain that it ends, bare; None if it states none.
        failures: of the user's checkers that failed, by their names.
    """

    verdict: Verdict
    doubt: bool
    answer: str | None
    failures: dict[str, str]


class Pending(NamedTuple):
    """Questions that are being answered.

    Attributes:
        questions: in order.
        judged: the results of `judging.judge` to come.
        checked: the verdicts to come of each of the user's checkers.
    """

    questions: list[Question]
    judged: Batch
    checked: list[Batch]


class Verifiers:
    """The package's rules and the user's checkers, as one verifier."""

    def __init__(
        self,
        pool: Pool,
        checkers: Sequence[Checker] = (),
        *,
        patient: bool = True,
    ):
        """Asks nothing yet.

        Args:
            pool: of `judging` and of the modules of the checkers.
            checkers: of the user.
            patient: wait for all results, which come by their deadlines; else
                only as long as a program may be kept waiting.
        """
        self._pool, self._checkers = pool, checkers
        self._patient = patient
        self._warned: set[str] = set()  # checkers that failed

    def start(self, questions: Sequence[Question]) -> Pending:
        """Begins to answer; returns at once.

        The user's checkers are asked about steps that are to be checked.
        """
        questions = list(questions)
        given = [
            (q.problem, judging.lines_of([*q.chain, q.step]), q.ended)
            for q in questions
            if q.checked and self._checkers
        ]
        return Pending(
            questions,
            self._pool.start(judging.judge, questions, plain=True),
            [self._pool.start(checker, given) for checker in self._checkers],
        )

    def collect(self, pending: Pending) -> list[Finding]:
        """Waits for what was found about each step.

        Where judging one took too long, its chain's answer is read all the
        same.
        """
        end = time.monotonic() + _PATIENCE
        questions = pending.questions
        found = self._wait(pending.judged, end)
        late = [
            number
            for number, question in enumerate(questions)
            if isinstance(found[number], Verdict)
            and question.ended
            and question.checked
        ]
        again = [questions[number]._replace(checked=False) for number in late]
        batch = self._pool.start(judging.judge, again, plain=True)
        for number, result in zip(late, self._wait(batch, end), strict=True):
            answer = None if isinstance(result, Verdict) else result[2]
            found[number] = found[number], False, answer
        said = [self._wait(batch, end) for batch in pending.checked]
        others = zip(*said, strict=True)  # of each step that is checked
        findings = []
        for question, result in zip(questions, found, strict=True):
            if isinstance(result, Verdict):
                result = result, False, None
            verdicts = next(others, ()) if question.checked else ()
            findings.append(
                Finding(
                    agree([Verdict(result[0]), *verdicts]),
                    *result[1:],
                    self._failures(verdicts),
                )
            )
        return findings

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

    def _failures(self, verdicts: Sequence[Verdict]) -> dict[str, str]:
        """Why checkers failed; of each it is said once, or vetoes are missed.

        Args:
            verdicts: of each checker.
        """
        found = {}
        for checker, verdict in zip(self._checkers, verdicts, strict=False):
            if verdict not in (Verdict.ERROR, Verdict.TIMEOUT):
                continue
            raised = verdict is Verdict.ERROR and self._pool.failure(checker)
            name = name_of(checker)
            found[name] = raised or verdict.name
            if name not in self._warned:
                self._warned.add(name)
                words = failure(name, found[name])
                warnings.warn(words, RuntimeWarning, stacklevel=5)
        return found


def name_of(checker: Checker) -> str:
    """As `--checkers` takes it."""
    return f"{checker.__module__}:{checker.__qualname__}"


def failure(checker: str, why: str) -> str:
    """What a person should know of a checker that failed."""
    return f"checker {checker} failed: {why}; where it fails it vetoes nothing"


def require_checker(checker: Checker) -> None:
    """Raises ValueError for what workers cannot import, or not call."""
    module = checker.__module__
    name = getattr(checker, "__qualname__", repr(checker))
    if module == "__main__" or not name.isidentifier():
        raise ValueError(
            f"checker {module}:{name} cannot be imported by the "
            "workers; put it at the top level of a module of its own"
        )
    try:
        signature = inspect.signature(checker)
    except ValueError:  # some builtins have none
        return
    try:
        signature.bind("", (), False)
    except TypeError as error:
        raise ValueError(
            f"checker {module}:{name} takes {signature}; it must take "
            f"(problem, steps, ended): {error}"
        ) from None
