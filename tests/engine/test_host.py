"""The host, fed with rounds written by hand."""

from __future__ import annotations

import copy
import functools
import types

import numpy as np
import pytest

from jaxlrm.config import CHECKED, SearchConfig
from jaxlrm.engine import host
from jaxlrm.engine.host import Host
from jaxlrm.engine.problems import read_problem
from jaxlrm.search import strategies, tree
from jaxlrm.search.base import Round
from jaxlrm.testing import text
from jaxlrm.verify import judging
from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.verifiers import Verifiers
from tests import formulas

PROBLEM = "Solve 2*x + 4 = 10 for x."
B, S, OUTPUT = 4, 80, 8
STEP, OPEN, ANSWER = "step", "open", "answer"
KINDS = {STEP: tree.STEP, OPEN: tree.OPEN, ANSWER: tree.ANSWER}
IDLE = (-1, "", STEP)
UNKNOWN, VALID, INVALID = Verdict.UNKNOWN, Verdict.VALID, Verdict.INVALID


class Pool:
    """Judges at once, in this process."""

    def __init__(self, verdict: Verdict | None = None):
        """With a verdict, that is what it finds of every step."""
        self.verdict, self.asked = verdict, []

    def start(self, function, jobs, plain=False):
        jobs = list(jobs)
        found = list(map(functools.partial(self.find, function), jobs))
        return types.SimpleNamespace(
            result=lambda: found, so_far=lambda seconds: found
        )

    def find(self, function, job):
        if function is judging.group:
            return function(*job)
        if function is judging.judge:
            if not job[6]:  # nothing is checked, an answer is read
                return function(*job)
            self.asked.append(job)
        if self.verdict is None:
            return function(*job)
        if function is judging.judge and self.verdict in (UNKNOWN, VALID):
            return self.verdict, False, function(*job)[2]
        return self.verdict

    def failure(self, function):
        return f"KeyError: {function.__name__!r}"


class Play:
    """A host and the rounds it is shown.

    Attributes:
        ended: numbers of the problems in the order they ended.
        progress: what was reported.
    """

    def __init__(
        self,
        *problems: str,
        strategy: str = "beam",
        verifiers: str = "both",
        pool: Pool | None = None,
        slots: int = 1,
        readers: int = 0,
        trained_on=(),
        checkers=(),
        tools=None,
        delimiter="\n",
        output=OUTPUT,
        **changes,
    ):
        config = SearchConfig(
            strategy=strategy,
            branches=B,
            width=2,
            chain_tokens=256,
            step_tokens=48,
            verifiers=verifiers,
            tools="python" if tools else "none",
            output_tokens=output,
            **changes,
        )
        self.ended, self.progress = [], []
        self.text = tokenizer = copy.copy(text())
        tokenizer.tasks = tuple(trained_on)
        tokenizer.steps = (delimiter,)
        self.pool = pool or Pool()
        checked = config.verifiers in CHECKED
        self.host = Host(
            [
                read_problem(
                    *(problem, (), config, tokenizer),
                    room=1000,
                    extensions=[formulas.__name__],
                )
                for problem in problems or [PROBLEM]
            ],
            config,
            strategies.build(config),
            tokenizer,
            Verifiers(
                self.pool,
                checkers if checked else (),
                patient=config.execution != "fused",
            ),
            tools=tools,
            readers=readers,
            progress=self.progress.append,
            finished=lambda number, _: self.ended.append(number),
        )
        self.host.cache.update(bytes=1000, dense=5000)
        self.slots = slots
        self.nodes = np.full((slots, B), -1)
        self.peak, self.spent = 0, {}

    def round(self, *rows, problems=None, keep=None) -> list[list[Verdict]]:
        """Shows what the slots wrote.

        Args:
            *rows: a list of `(leaf, text, kind)` or `(leaf, text, kind,
                score)` for each slot; an empty list finds it finished.
            problems: the place in the queue of each slot's problem.
            keep: for each slot, the node of each branch of this round; told
                with the next one.
        """
        problems = list(range(self.slots)) if problems is None else problems
        shape = (self.slots, B)
        leaf = np.full(shape, -1)
        tokens = np.zeros((*shape, S), int)
        length = np.zeros(shape, int)
        kind, score = np.zeros(shape, int), np.full(shape, 0.5)
        for g, row in enumerate(rows):
            for b, (node, words, name, *given) in enumerate(row):
                ids = ids_of(words, name)
                leaf[g, b] = node
                tokens[g, b, : len(ids)] = ids
                length[g, b] = len(ids)
                kind[g, b] = KINDS[name]
                if given:
                    (score[g, b],) = given
        nothing = np.zeros_like(leaf)
        twigs = tree.Twigs(
            leaf=leaf,
            node=self.nodes,
            key=None,
            tokens=tokens,
            length=length,
            forced=nothing,
            kind=kind,
            score=score,
            partial=score,
            logp=score,
            reading=None,
            begun=nothing,
            ordinal=nothing,
        )
        finished = (leaf < 0).all(1)
        for slot, number in enumerate(problems):
            self.spent[number] = self.spent.get(number, 0)
            self.spent[number] += int(length[slot][leaf[slot] >= 0].sum())
        seen = Round(
            np.array(problems),
            twigs,
            finished,
            np.array([self.spent[number] for number in problems]),
            length.max(1),
            nothing[:, 0],
            nothing[:, 0] + self.peak,
        )
        self.reply = self.host.ask(seen)
        verdicts = self.reply.verdict
        self.nodes = np.full(shape, -1)
        for g, kept in enumerate(keep or []):
            self.nodes[g, : len(kept)] = kept
        return [[Verdict(v) for v in row] for row in verdicts]

    def solution(self, number: int = 0):
        return self.host.solutions()[number]


def ids_of(words: str | list[int], kind: str) -> list[int]:
    """Tokens of a step; given tokens are a step with its delimiter."""
    if not isinstance(words, str):
        return words
    ids = text().encode(words)
    if kind == STEP:
        return [*ids, *text().encode("\n")]
    return [*ids, text().end[0]] if kind == ANSWER else ids


def whole(*answers, strategy="majority", problems=(), **options):
    """The solution of one round of whole chains, all kept.

    An answer is `(text, kind)`, `(text, kind, score)`.
    """
    play = Play(*problems, strategy=strategy, **options)
    verdicts = play.round([(0, *answer) for answer in answers])[0]
    node = 0
    kept = []
    for verdict, _ in zip(verdicts, answers, strict=False):
        node += verdict is not INVALID
        kept.append(node if verdict is not INVALID else -1)
    play.nodes[0, : len(kept)] = kept
    play.round([])
    return play.solution()


# --- Beams ------------------------------------------------------------------


def solved_play(**options) -> Play:
    play = Play(**options)
    play.round(
        [
            (0, "2*x = 6", STEP, 0.75),
            (0, "2*x = 14", STEP, 0.5),
            (0, "2*x = 6", STEP, 0.75),
            IDLE,
        ],
        keep=[[1, -1, -1, -1]],
    )
    play.round(
        [
            (1, "x = 3", ANSWER, 0.625),
            (1, "x = 4", ANSWER, 0.5),
            (1, "x = 3", ANSWER, 0.625),
            (1, "x = 6/2", STEP, 0.25),
        ],
        keep=[[2, -1, -1, 3]],
    )
    play.round([])
    return play


def test_a_solved_problem():
    play = solved_play()
    found = play.solution()
    fields = [
        (t.parent, t.round, t.text, t.kind, t.score, t.verdict, t.kept)
        for t in found.thoughts
    ]
    assert fields == [
        (-1, 0, "2*x = 6", "step", 0.75, VALID, True),
        (-1, 0, "2*x = 14", "step", 0.5, INVALID, False),
        (0, 1, "x = 3", "answer", 0.625, VALID, True),
        (0, 1, "x = 4", "answer", 0.5, INVALID, False),
        (0, 1, "x = 6/2", "step", 0.25, VALID, True),
    ]
    assert (found.answer, found.verdict) == ("3", VALID)
    assert (found.confidence, found.solved, found.note) == (1.0, True, "")
    assert found.best_chain == (0, 2)
    assert found.best_trace == ["2*x = 6", "x = 3"]
    assert [(v.answer, v.weight, v.count) for v in found.votes] == [
        ("3", 1.0, 2)
    ]
    assert found.tree == {"rounds": 2, "nodes": 3, "pruned": 2}
    assert play.ended == [0]


def test_duplicates_are_counted():
    found = solved_play().solution()
    assert [t.count for t in found.thoughts] == [2, 1, 2, 1, 1]


def test_tokens_are_counted_exactly():
    """Those of every branch, its delimiter too; the prompt's are not."""
    spent = sum(
        len(words) + 1
        for words in (
            *("2*x = 6", "2*x = 14", "2*x = 6"),
            *("x = 3", "x = 4", "x = 3", "x = 6/2"),
        )
    )
    play = solved_play()
    assert play.solution().tokens == {"generator": spent, "verifier": 0}
    assert [len(t.tokens) for t in play.solution().thoughts] == [8, 9, 6, 6, 8]
    assert play.progress[-1].tokens == spent
    apart = solved_play(readers=2).solution()
    assert apart.tokens == {"generator": spent, "verifier": 2 * spent}


def test_verdicts_that_the_search_is_told():
    play = Play()
    verdicts = play.round(
        [
            (0, "2*x = 14", STEP),
            (0, "2*x = 6", STEP),
            (0, "hence", STEP),
            (0, "2*x = 14", STEP),
        ]
    )
    # A duplicate has the verdict of the branch that it repeats.
    assert verdicts == [[INVALID, VALID, UNKNOWN, INVALID]]


def test_equal_steps_of_different_leaves_are_no_duplicates():
    play = Play()
    play.round([(0, "2*x = 6", STEP), (0, "2*x + 3 = 9", STEP)], keep=[[1, 2]])
    play.round([(1, "x = 3", ANSWER), (2, "x = 3", ANSWER)], keep=[[3, 4]])
    play.round([])
    found = play.solution()
    assert [(t.parent, t.count) for t in found.thoughts] == [
        (-1, 1),
        (-1, 1),
        (0, 1),
        (1, 1),
    ]
    assert [(v.answer, v.count) for v in found.votes] == [("3", 2)]


def test_a_cut_step_is_joined_with_its_continuation():
    play = Play()
    first = play.round([(0, "2*x", OPEN), (0, "2*", OPEN)], keep=[[1, 2]])
    assert first[0][:2] == [UNKNOWN, UNKNOWN]
    second = play.round(
        [(1, " = 6", STEP), (1, " = 7", STEP), (2, "x =", OPEN)],
        keep=[[3, -1, 4]],
    )
    assert second[0][:3] == [VALID, INVALID, UNKNOWN]
    third = play.round([(3, "x = 3", ANSWER), (4, " 6", STEP)], keep=[[5, 6]])
    assert third[0][:2] == [VALID, VALID]
    play.round([])
    found = play.solution()
    assert (found.answer, found.solved) == ("3", True)
    assert [t.text for t in found.thoughts] == [
        *("2*x", "2*", " = 6", " = 7", "x =", "x = 3", " 6"),
    ]
    assert found.best_chain == (0, 2, 5)
    assert found.best_trace == ["2*x = 6", "x = 3"]


def test_a_cut_answer_is_joined():
    play = Play()
    play.round([(0, "2*x = 6", STEP)], keep=[[1]])
    play.round([(1, "x =", OPEN)], keep=[[2]])
    assert play.round([(2, " 3", ANSWER)], keep=[[3]])[0][0] is VALID
    play.round([])
    assert play.solution().answer == "3"


@pytest.mark.parametrize("kind", [STEP, ANSWER])
@pytest.mark.parametrize("words", ["", "  "])
def test_an_empty_step_is_invalid(words, kind):
    assert Play().round([(0, words, kind)])[0][0] is INVALID


def test_an_empty_end_of_a_cut_step_ends_it():
    play = Play()
    play.round([(0, "2*x = 6", OPEN)], keep=[[1]])
    assert play.round([(1, "", STEP)])[0][0] is VALID


def test_a_chain_is_valid_only_if_every_step_is():
    play = Play()
    play.round([(0, "so", STEP), (0, "2*x = 6", STEP)], keep=[[1, 2]])
    verdicts = play.round(
        [(1, "x = 3", ANSWER), (2, "x = 3", ANSWER)], keep=[[3, 4]]
    )
    assert verdicts[0][:2] == [UNKNOWN, VALID]
    play.round([])
    found = play.solution()
    assert found.best_chain == (1, 3)
    assert (found.verdict, found.votes[0].count) == (VALID, 1)


def test_an_answer_falls_with_a_step_before_it():
    """Where a strategy goes on from what is refuted."""
    play = Play("Which?", strategy="sequential", pool=Pool(UNKNOWN))
    play.pool.verdict = INVALID
    play.round([(0, "so", STEP)], keep=[[1]])
    play.pool.verdict = UNKNOWN
    assert play.round([(1, "x = 3", ANSWER)])[0][0] is INVALID


def test_the_whole_chain_so_far_is_what_a_step_is_judged_by():
    play = Play(pool=Pool(UNKNOWN))
    play.round([(0, "2*x = 6", STEP)], keep=[[1]])
    play.round([(1, "6/2 =", OPEN)], keep=[[2]])
    play.round([(2, " 3", STEP)], keep=[[3]])
    play.round([(3, "x = 3", ANSWER)], keep=[[4]])
    assert {job[:2] for job in play.pool.asked} == {(PROBLEM, "2*x + 4 = 10")}
    assert [job[2:6] for job in play.pool.asked] == [
        ([], "2*x = 6", 0, False),
        (["2*x = 6"], "6/2 = 3", 1, False),
        (["2*x = 6", "6/2 = 3"], "x = 3", 2, True),
    ]


# --- The outcome ------------------------------------------------------------


def test_equivalent_answers_vote_together():
    found = whole(
        ("0.5", ANSWER),
        ("1/3", ANSWER),
        ("x = 1/2", ANSWER),
        ("\\frac{1}{2}", ANSWER),
        verifiers="none",
    )
    assert [(v.answer, v.weight, v.count) for v in found.votes] == [
        ("0.5", 0.75, 3),
        ("1/3", 0.25, 1),
    ]
    assert found.answer == "0.5"


@pytest.mark.parametrize(
    ("strategy", "answer", "weights"),
    [
        ("majority", "1", [2 / 4, 1 / 4, 1 / 4]),
        ("weighted", "2", [0.75 / 1.75, 0.5 / 1.75, 0.5 / 1.75]),
        ("best_of_n", "2", [1, 0, 0]),
    ],
)
def test_strategies_weigh_differently(strategy, answer, weights):
    found = whole(
        ("x = 1", ANSWER, 0.25),
        ("x = 2", ANSWER, 0.75),
        ("x = 1", ANSWER, 0.25),
        ("x = 3", ANSWER, 0.5),
        strategy=strategy,
        verifiers="learned",
    )
    assert found.answer == answer
    assert [v.weight for v in found.votes] == pytest.approx(weights)
    chain = next(t for t in found.thoughts if t.text == f"x = {answer}")
    assert found.confidence == pytest.approx(weights[0] * chain.score)
    assert not found.solved  # nothing is proven without a check
    assert (found.verdict, found.note) == (UNKNOWN, "")


def test_the_best_chain_of_the_winner_is_the_best_scored():
    found = whole(
        ("a\nx = 1", ANSWER, 0.5),
        ("b\nx = 1", ANSWER, 0.75),
        ("c\nx = 1", ANSWER, 0.75),
        verifiers="learned",
    )
    assert found.best_chain == (1,)
    assert found.best_trace == ["b", "x = 1"]


def test_proven_chains_vote_alone():
    found = whole(
        ("why\nx = 5", ANSWER, 0.75),
        ("why\nx = 5", ANSWER, 0.75),
        ("2*x = 6\nx = 3", ANSWER, 0.25),
    )
    assert [t.verdict for t in found.thoughts] == [INVALID, VALID]
    assert (found.answer, found.confidence, found.solved) == ("3", 1.0, True)
    assert [(v.answer, v.weight) for v in found.votes] == [("3", 1.0)]


def test_unproven_chains_vote_if_none_is_proven():
    found = whole(("why\nx = 3", ANSWER, 0.75), ("2*x = 6", OPEN))
    assert (found.answer, found.verdict) == ("3", UNKNOWN)
    assert found.confidence == 0.75
    assert not found.solved  # it could be checked, and was not proven
    assert "neither prove nor refute" in found.note


def test_a_guess_when_nothing_survives():
    found = whole(("x = 5", ANSWER, 0.75), ("x = 6", ANSWER, 0.5))
    assert not any(t.kept for t in found.thoughts)
    assert (found.answer, found.verdict) == ("5", INVALID)
    assert (found.confidence, found.solved) == (0.0, False)
    assert found.note == "no chain passed all checks; the answer is a guess"
    assert found.tree == {"rounds": 1, "nodes": 0, "pruned": 2}


def test_no_answer_when_no_chain_ended():
    found = whole(("2*x = 6", OPEN))
    assert found.answer is None and found.votes == ()
    assert (found.confidence, found.solved) == (0.0, False)
    assert (found.best_chain, found.best_trace) == ((), [])
    assert "no chain of thought came to an end" in found.note


def test_chains_that_end_without_an_answer():
    """Nothing can be read out of an empty box."""
    play = Play("How much is half of six?", strategy="majority")
    empty = "\\boxed{}"
    ends = [(0, words, ANSWER) for words in (empty, empty, f"So {empty}")]
    play.round(ends, keep=[[-1, -1, -1]])
    play.round([])
    found = play.solution()
    assert (found.answer, found.votes) == (None, ())
    assert found.note == "no chain that ended states a usable answer; ended: 3"


def test_a_false_step_refutes_a_whole_chain():
    found = whole(("2*x = 8\nx = 4\nx = 3", ANSWER))
    assert found.thoughts[0].verdict is INVALID


@pytest.mark.parametrize("verifiers", ["learned", "none"])
def test_without_symbolic_verifiers_nothing_is_judged(verifiers):
    found = whole(("x = 5", ANSWER, 0.75), verifiers=verifiers)
    assert found.thoughts[0].verdict is UNKNOWN
    assert (found.answer, found.solved) == ("5", False)
    assert found.note == ""


@pytest.mark.parametrize(
    ("verifiers", "confidence"), [("symbolic", 1.0), ("none", 0.5)]
)
def test_without_learned_verifiers_nothing_is_scored(verifiers, confidence):
    play = Play(verifiers=verifiers)
    play.round([(0, "x = 3", ANSWER, 0.25)], keep=[[1]])
    play.round([])
    assert play.solution().thoughts[0].score is None
    assert play.solution().confidence == confidence
    assert play.progress[0].best_score is None


@pytest.mark.parametrize("strategy", ["beam", "majority"])
def test_an_unrecognised_problem(strategy):
    """A false fact is refuted; nothing proves an answer."""
    play = Play("How much is half of six?", strategy=strategy)
    if strategy == "beam":
        first = play.round(
            [(0, "half", STEP, 0.75), (0, "one", STEP)], keep=[[1, 2]]
        )
        assert first[0][:2] == [UNKNOWN, UNKNOWN]
        second = play.round(
            [(1, "3", ANSWER, 0.75), (2, "6/2 = 4", ANSWER)], keep=[[3, -1]]
        )
        assert second[0][:2] == [UNKNOWN, INVALID]
    else:
        verdicts = play.round(
            [(0, "half\n3", ANSWER, 0.75), (0, "6/2 = 4\n4", ANSWER)],
            keep=[[1, -1]],
        )
        assert verdicts[0][:2] == [UNKNOWN, INVALID]
    play.round([])
    found = play.solution()
    assert (found.answer, found.verdict) == ("3", UNKNOWN)
    assert (found.confidence, found.solved) == (0.75, False)
    assert found.note == ""


@pytest.mark.parametrize(
    ("problem", "words", "confidence"),
    [
        (PROBLEM, "x = 3", 0.75),
        ("What is 1 + 2?", "3", 0.0),
        ("How much is half of six?", "3", 0.0),
    ],
)
def test_confidence_outside_the_families_of_the_model(
    problem, words, confidence
):
    play = Play(
        problem,
        verifiers="learned",
        strategy="majority",
        trained_on=["equations"],
    )
    play.round([(0, words, ANSWER, 0.75)], keep=[[1]])
    play.round([])
    found = play.solution()
    assert (found.answer, found.confidence) == ("3", confidence)
    said = "other families of problems: equations" in found.note
    assert said == (confidence == 0)


def test_a_proof_stands_outside_the_families_of_the_model():
    play = Play("What is 1 + 2?", trained_on=["equations"])
    play.round([(0, "3", ANSWER, 0.75)], keep=[[1]])
    play.round([])
    found = play.solution()
    assert (found.confidence, found.solved, found.note) == (1.0, True, "")


def test_an_unrecognised_problem_with_one_line():
    play = Play("How much is half of six?")
    assert play.round([(0, "3", ANSWER)], keep=[[1]])[0][0] is UNKNOWN


@pytest.mark.parametrize("verdict", [Verdict.TIMEOUT, Verdict.ERROR])
def test_a_verifier_that_fails_proves_nothing(verdict):
    found = whole(("x = 3", ANSWER, 0.75), pool=Pool(verdict))
    assert found.thoughts[0].verdict is verdict
    assert (found.answer, found.solved) == ("3", False)
    assert found.confidence == 0.75
    assert found.votes[0].verdict is verdict


# --- Steps of several lines -------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        ("What is 2 + 3*4?", "2 + 15\n17"),
        ("What is 2 + (3 - 4) - 7?", "2 + 1 - 7\n3 - 7\n-4"),
    ],
)
@pytest.mark.parametrize("strategy", ["beam", "majority"])
def test_a_wrong_line_in_a_step_is_refuted(problem, words, strategy):
    play = Play(problem, strategy=strategy, delimiter="\n\n")
    verdicts = play.round([(0, words, ANSWER)], keep=[[-1]])
    assert verdicts[0][0] is INVALID
    play.round([])
    found = play.solution()
    assert (found.verdict, found.solved) == (INVALID, False)


def test_text_behind_a_delimiter_belongs_to_the_next_step():
    """A token may carry both."""
    play = Play()
    *ids, last = text().encode("2*x = 6\n")
    pieces = list(text().pieces)
    pieces[last] = b"\nx"
    vars(play.text).update(pieces=pieces, _pieces=pieces)  # of this copy
    assert play.round([(0, [*ids, last], STEP)], keep=[[1]])[0][0] is VALID
    assert play.round([(1, " = 4", STEP)])[0][0] is INVALID
    assert play.round([(1, " = 3", ANSWER)], keep=[[2]])[0][0] is VALID
    play.round([])
    assert (play.solution().answer, play.solution().solved) == ("3", True)


# --- Doubts -----------------------------------------------------------------


class Doubts(Pool):
    """Doubts what begins with a question mark."""

    def find(self, function, job):
        found = super().find(function, job)
        if function is judging.judge and job[3].startswith("?"):
            return found[0], True, found[2]
        return found


def test_a_doubt_is_told_and_lowers_the_score_once():
    play = Play("Which?", pool=Doubts())
    play.round([(0, "?", STEP, 0.5), (0, "!", STEP, 0.5)], keep=[[1, 2]])
    assert play.reply.doubt[0].tolist() == [True, False, False, False]
    # The search has lowered the score of what goes on from a doubt.
    play.round([(1, "?\nx = 1", ANSWER, 0.2), (2, "x = 2", ANSWER, 0.5)])
    assert play.reply.doubt[0].tolist() == [True, False, False, False]
    play.nodes[0, :2] = 3, 4
    play.round([])
    found = play.solution()
    assert [t.doubt for t in found.thoughts] == [True, False, True, False]
    assert [t.score for t in found.thoughts] == pytest.approx(
        [0.2, 0.5, 0.2, 0.5]
    )
    assert [v.answer for v in found.votes] == ["2", "1"]


@pytest.mark.parametrize("verifiers", ["symbolic", "both"])
def test_a_chain_with_a_doubt_weighs_less(verifiers):
    found = whole(
        ("?\nx = 1", ANSWER, 0.5),
        ("? ?\nx = 1", ANSWER, 0.5),
        ("x = 2", ANSWER, 0.5),
        problems=("Which?",),
        pool=Doubts(),
        verifiers=verifiers,
    )
    weights = {vote.answer: vote.weight for vote in found.votes}
    assert weights == pytest.approx({"2": 4 / 6, "1": 2 / 6})
    assert found.answer == "2"


def test_a_doubt_lowers_the_confidence():
    sure = {}
    for words in ("x = 1", "?\nx = 1"):
        found = whole(
            (words, ANSWER),
            problems=("Which?",),
            pool=Doubts(),
            verifiers="symbolic",
        )
        sure[words] = found.confidence
    assert sure == pytest.approx({"x = 1": 0.5, "?\nx = 1": 0.2})


# --- Jobs that fail ---------------------------------------------------------


class Overdue(Pool):
    """No comparison ends in time, nor does a check."""

    def find(self, function, job):
        slow = function is judging.group or job[6]
        return Verdict.TIMEOUT if slow else function(*job)


def test_votes_are_counted_by_their_texts_if_comparing_takes_too_long():
    found = whole(
        ("x = 1/2", ANSWER),
        ("x = 1 / 2", ANSWER),
        ("x = 0.5", ANSWER),
        pool=Overdue(),
        verifiers="none",
    )
    assert [(v.answer, v.count) for v in found.votes] == [
        ("1/2", 2),
        ("0.5", 1),
    ]


def test_an_answer_is_read_although_its_check_took_too_long():
    found = whole(("2*x = 6\nx = 3", ANSWER), pool=Overdue())
    assert (found.answer, found.verdict) == ("3", Verdict.TIMEOUT)


# --- Several problems -------------------------------------------------------


def test_problems_side_by_side():
    problems = [PROBLEM, "Solve x + 1 = 3 for x.", "Solve x + 2 = 9 for x."]
    play = Play(*problems, slots=2)
    play.round([(0, "2*x = 6", STEP)], [(0, "x = 2", ANSWER)], keep=[[1], [1]])
    play.round([(1, "x = 3", ANSWER)], [], keep=[[2], []])
    assert play.ended == [1]
    play.round([], [(0, "x = 7", ANSWER)], problems=[0, 2], keep=[[], [1]])
    assert play.ended == [1, 0]
    play.round([], [], problems=[-1, 2])
    assert play.ended == [1, 0, 2]
    found = play.host.solutions()
    assert [s.problem for s in found] == problems
    assert [s.answer for s in found] == ["3", "2", "7"]
    assert [s.tree["rounds"] for s in found] == [2, 1, 1]
    assert [s.tokens["generator"] for s in found] == [14, 6, 6]
    assert [p.finished for p in play.progress] == [0, 1, 2, 3]
    assert [p.branches for p in play.progress] == [2, 1, 1, 0]
    assert [p.round for p in play.progress] == [1, 2, 3, 4]
    assert {p.problems for p in play.progress} == {3}


def test_the_queue_may_skip_problems():
    play = Play("", PROBLEM)
    play.round([(0, "x = 3", ANSWER)], keep=[[1]])
    play.round([])
    empty, solved = play.host.solutions()
    assert (empty.answer, empty.note) == (None, "the problem is empty")
    assert not empty.solved and empty.tokens == {"generator": 0, "verifier": 0}
    assert solved.answer == "3"
    assert play.ended == [0, 1]


def test_cache_figures():
    play = Play()
    play.round([(0, "2*x = 6", STEP)], keep=[[1]])
    play.host.cache["bytes"] = 2000
    play.peak = 20
    play.round([])
    assert play.solution().cache == {
        "bytes": 2000,
        "dense": 5000,
        "peak_slots": 20,
    }


def test_seconds_add_up():
    seconds = solved_play().solution().seconds
    assert all(value >= 0 for value in seconds.values())
    parts = seconds["model"] + seconds["verify"]
    assert parts == pytest.approx(seconds["total"], abs=0.05)


# --- Several verifiers ------------------------------------------------------


def refuse(problem, steps, ended):
    del problem, ended
    return INVALID if "14" in steps[-1] else UNKNOWN


def believe(problem, steps, ended):
    del problem, ended
    return VALID if "so" in steps[-1] else Verdict.ERROR


@pytest.mark.filterwarnings("ignore:checker")
def test_verifiers_agree_or_one_has_its_veto():
    play = Play(checkers=[refuse, believe])
    verdicts = play.round(
        [
            (0, "2*x = 6", STEP),  # the package's says VALID
            (0, "so", STEP),
            (0, "so 14", STEP),
            (0, "hm", STEP),
        ]
    )
    assert verdicts == [[VALID, VALID, INVALID, UNKNOWN]]


def test_a_checker_that_fails_is_warned_of_once():
    play = Play(*SHARED[:2], slots=2, checkers=[refuse, believe])
    why = "checker tests.engine.test_host:believe failed: "
    why += "KeyError: 'believe'; "
    with pytest.warns(RuntimeWarning, match=why) as warned:
        play.round([(0, "1", STEP), (0, "2", STEP)], [(0, "so", STEP)])
        play.round([(0, "3", STEP)], [(0, "so", STEP)])
    assert len(warned) == 1
    play.round([], [])
    first, second = play.host.solutions()
    assert why in first.note and "checker" not in second.note


def test_a_checker_without_time_is_warned_of():
    play = Play(pool=Pool(Verdict.TIMEOUT), checkers=[refuse])
    with pytest.warns(RuntimeWarning, match=":refuse failed: TIMEOUT; where"):
        play.round([(0, "2*x = 6", STEP)])


def test_a_checker_is_given_the_chain():
    seen = []

    def note(*given):
        seen.append(given)
        return UNKNOWN

    play = Play(pool=Pool(), checkers=[note])
    play.round([(0, "2*x = 6", STEP), (0, "2*", OPEN)], keep=[[1, 2]])
    play.round([(1, "x = 3", ANSWER), (2, "x = 6", STEP)], keep=[[3, 4]])
    assert seen == [
        (PROBLEM, ["2*x = 6"], False),
        (PROBLEM, ["2*x = 6", "x = 3"], True),
        (PROBLEM, ["2*x = 6"], False),
    ]


# --- Early ends -------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "changes", "stops"),
    [
        ("111", {}, True),
        ("11", {}, False),  # two may still come
        ("112", {}, False),
        ("1112", {}, True),
        ("111", {"verifiers": "learned"}, True),  # 2.7 against 1
        ("111", {"verifiers": "both"}, False),  # one may be proven
        ("111", {"strategy": "beam"}, False),  # any number may come
    ],
)
def test_a_vote_is_decided(answers, changes, stops):
    options = {"strategy": "sequential", "verifiers": "none", **changes}
    play = Play("Which?", **options)
    row = [(0, f"x = {answer}", ANSWER, 0.9) for answer in answers]
    row += [(0, f"so {i}", STEP) for i in range(B - len(answers))]
    play.round(row)
    assert play.reply.stop.tolist() == [stops]


def test_low_scores_decide_less():
    play = Play("Which?", strategy="sequential", verifiers="learned")
    row = [(0, "x = 1", ANSWER, 0.3)] * 3
    play.round([*row, (0, "so", STEP)])
    assert not play.reply.stop[0]  # 0.9 against 1


@pytest.mark.parametrize(
    ("confidence", "stops"), [(0.0, False), (0.6, True), (0.7, False)]
)
def test_confidence_ends_a_problem(confidence, stops):
    play = Play("Which?", verifiers="learned", confidence=confidence)
    play.round([(0, "x = 1", ANSWER, 0.65), (0, "so", STEP, 0.9)])
    assert play.reply.stop.tolist() == [stops]
    # Nothing has changed since: there is nothing to be counted again.
    play.round([(0, "so", STEP)])
    assert not play.reply.stop[0]


def test_answers_that_end_a_problem_count_though_no_node_became_of_them():
    """A beam had no place for one beside better steps."""
    play = Play("Which?", verifiers="learned", confidence=0.6)
    play.round(
        [(0, "so", STEP, 0.9), (0, "x = 1", ANSWER, 0.65)], keep=[[1, -1]]
    )
    assert play.reply.stop[0]
    play.round([])
    found = play.solution()
    assert (found.answer, found.confidence) == ("1", 0.65)
    assert [thought.kept for thought in found.thoughts] == [True, True]


def test_a_program_does_not_wait_for_all_verdicts():
    """Another device may be waiting for this one, but not for long."""

    class Slow(Pool):
        def start(self, function, jobs, plain=False):
            late = [Verdict.TIMEOUT] * len(jobs)
            return types.SimpleNamespace(
                so_far=lambda seconds: late if seconds < 60 else None
            )

    play = Play(execution="fused", pool=Slow())
    (verdicts,) = play.round([(0, "2*x = 6", STEP), (0, "2*x = 7", STEP)])
    assert verdicts[:2] == [Verdict.TIMEOUT] * 2


def test_a_proof_is_confidence_enough():
    play = Play(confidence=1.0)
    play.round([(0, "x = 3", ANSWER, 0.1), (0, "x = 4", ANSWER, 0.9)])
    assert play.reply.stop[0]


def test_time_ends_a_problem(monkeypatch):
    now = [0.0]
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(host, "time", clock)
    play = Play(seconds=2.0)
    now[0] = 1.9
    play.round([(0, "2*x = 6", STEP)], keep=[[1]])
    assert not play.reply.stop[0]
    now[0] = 2.1
    play.round([(1, "x = 3", STEP)])
    assert play.reply.stop[0]


# --- Tokens -----------------------------------------------------------------

MANY = "1234567 + 2345678 + 3456789"  # 28 tokens with its end
SHARED = ["What is 1 + 2?", "What is 3 + 4?", "What is 5 + 6?"]


def test_a_problem_without_a_token_for_each_branch_ends():
    play = Play(tokens=60)
    play.round([(0, MANY, STEP), (0, MANY, STEP)], keep=[[1, -1]])
    assert not play.reply.stop[0]
    play.round([(1, "", OPEN)] * 4)
    assert play.reply.stop[0]


# --- Tools ------------------------------------------------------------------


class Tools:
    """Shows how many programs the chain has had, and which is the last."""

    def __init__(self):
        self.asked = []

    def outputs(self, branches):
        self.asked += branches
        return [
            f"{len(earlier)} {program[4:]}" if "quiet" not in program else ""
            for earlier, program in branches
        ]


def test_programs_run_once_for_equal_steps_and_with_their_own_past():
    tools = Tools()
    play = Play("Which?", tools=tools, verifiers="none")
    play.round(
        [
            (0, ">>> a", STEP),
            (0, ">>> a", STEP),
            (0, ">>> quiet", STEP),
            (0, ">>> b", OPEN),  # which is still being written
        ],
        keep=[[1, -1, 2, 3]],
    )
    assert tools.asked == [((), ">>> a"), ((), ">>> quiet")]
    shown = text().encode("0 a\n")
    assert play.reply.output_length.tolist() == [[len(shown)] * 2 + [0, 0]]
    for branch in (0, 1):
        row = play.reply.output[0, branch]
        assert row[: len(shown)].tolist() == shown
    play.round(
        [(1, ">>> c", STEP), (1, "x = 1", STEP), (2, ">>> c", STEP), IDLE],
        keep=[[4, 5, 6, -1]],
    )
    assert tools.asked[2:] == [
        ((">>> a",), ">>> c"),
        ((">>> quiet",), ">>> c"),
    ]
    play.round([(4, ">>> dddddd", STEP), (5, ">>> e", STEP)], keep=[[7, 8]])
    assert tools.asked[4:] == [
        ((">>> a", ">>> c"), ">>> dddddd"),
        ((">>> a",), ">>> e"),
    ]
    # What is over `output_tokens` is cut; the delimiter is kept.
    assert play.reply.output_length[0].tolist() == [OUTPUT, 4, 0, 0]
    assert play.reply.output[0, 0].tolist() == text().encode("2 ddddd\n")
    play.round([(7, "x = 2", ANSWER), (8, "x = 1", ANSWER)], keep=[[9, 10]])
    play.round([])
    found = play.solution()
    assert [t.output for t in found.thoughts if t.output] == [
        *("0 a", "1 c", "1 c", "2 ddddd", "1 e"),
    ]
    chain = {found.thoughts[i].text: i for i in found.best_chain}
    assert list(chain) == [">>> a", ">>> c", ">>> dddddd", "x = 2"]
    assert found.best_trace == [
        *(">>> a", "0 a", ">>> c", "1 c", ">>> dddddd", "2 ddddd", "x = 2"),
    ]


def test_verifiers_are_given_what_a_tool_has_written():
    play = Play("Which?", tools=Tools(), pool=Pool(UNKNOWN), checkers=[refuse])
    play.round([(0, ">>> a", STEP)], keep=[[1]])
    play.round([(1, "x = 1", ANSWER)])
    (_, last) = play.pool.asked
    assert last[2:6] == ([">>> a", "0 a"], "x = 1", 2, True)


class Printer(Tools):
    """Shows in a block how many programs the chain has had."""

    def outputs(self, branches):
        self.asked += branches
        return [f"```output\n{len(earlier)}\n```" for earlier, _ in branches]


def fenced(**options) -> Play:
    return Play(
        "Which?",
        tools=Printer(),
        verifiers="none",
        delimiter="\n\n",
        output=40,
        **options,
    )


def test_a_program_may_span_steps():
    """Blank lines of a program end steps, and stay in it."""
    play = fenced()
    play.round([(0, "So\n```python\nx = 1\n", STEP)], keep=[[1]])
    assert play.host.tools.asked == []
    play.round([(1, "def f():\n    return x\n", STEP)], keep=[[2]])
    play.round([(2, "print(f())\n```\n", STEP)], keep=[[3]])
    program = "x = 1\n\ndef f():\n    return x\n\nprint(f())"
    assert play.host.tools.asked == [((), program)]
    # The model's own text ends with a line's end.
    shown = "```output\n0\n```\n"
    size = play.reply.output_length[0, 0]
    assert text().decode(play.reply.output[0, 0, :size]) == shown
    assert play.reply.length[0].tolist() == [-1] * B
    play.round([(3, "```python\n2\n```\n", STEP)], keep=[[4]])
    assert play.host.tools.asked[1:] == [((program,), "2")]
    play.round([(4, "x = 1", ANSWER)], keep=[[5]])
    play.round([])
    assert play.solution().thoughts[2].output == "```output\n0\n```"


@pytest.mark.parametrize("kind", [STEP, OPEN, ANSWER])
def test_output_that_a_model_made_up_is_cut(kind):
    play = fenced()
    program = "```py\n6*7\n```"
    made_up = "\n```output\n41\n```\nx = 41"
    play.round([(0, program + made_up, kind), IDLE, IDLE, IDLE], keep=[[1]])
    assert play.host.tools.asked == [((), "6*7")]
    assert play.reply.length[0, 0] == len(text().encode(program))
    size = play.reply.output_length[0, 0]
    shown = text().decode(play.reply.output[0, 0, :size])
    assert shown == "\n```output\n0\n```\n"
    play.round([(1, "x = 0", ANSWER)], keep=[[2]])
    play.round([])
    found = play.solution()
    first = found.thoughts[0]
    assert (first.text, first.kind) == (program, "step")
    assert list(first.tokens) == text().encode(program)
    assert first.logp is None or kind == STEP
    assert (first.output, found.answer) == ("```output\n0\n```", "0")


def test_a_chain_that_ends_with_a_program_goes_on():
    """A model that hands the turn over wants to read what is printed."""
    play = fenced()
    program = "```py\n6*7\n```"
    play.round([(0, program, ANSWER)], keep=[[1]])
    assert play.reply.length[0, 0] == len(text().encode(program))
    assert play.reply.output_length[0, 0] > 0
    play.round([(1, "x = 0", ANSWER)], keep=[[2]])
    play.round([])
    assert play.solution().best_chain == (0, 1)


def test_a_program_that_is_cut_inside_runs_when_it_is_whole():
    play = fenced()
    play.round([(0, "```py\n6*", OPEN)], keep=[[1]])
    play.round([(1, "7\n```", OPEN), (1, "8\n``", OPEN)], keep=[[2, 3]])
    assert play.host.tools.asked == [((), "6*7")]
    assert play.reply.length[0].tolist() == [5, -1, -1, -1]
    play.round([(3, "`\n", STEP)], keep=[[4]])
    assert play.host.tools.asked[1:] == [((), "6*8")]


def test_a_long_output_keeps_its_fence():
    play = Play(
        "Which?", tools=Printer(), verifiers="none", delimiter="\n\n", output=12
    )
    play.round([(0, "```py\n6*7\n```\n", STEP)])
    size = play.reply.output_length[0, 0]
    assert size == 12
    shown = text().decode(play.reply.output[0, 0, :size])
    assert shown.endswith("\n```\n")


def test_what_is_cut_behind_a_silent_program_goes_on_from_a_new_line():
    play = Play(
        "Which?", tools=Tools(), verifiers="none", delimiter="\n\n", output=40
    )
    written = ">>> quiet\nx = 1\n\n"
    play.round([(0, text().encode(written), STEP)], keep=[[1]])
    assert play.reply.length[0, 0] == len(">>> quiet")
    assert play.reply.output_length[0, 0] == 1
    assert play.reply.output[0, 0, 0] == text().encode("\n")[0]
