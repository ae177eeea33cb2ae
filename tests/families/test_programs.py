"""The family of programs: its outputs are what the sandbox gives."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm import extend
from jaxlrm.families import programs
from jaxlrm.families.rules.programs import ANSWER, PROMPT, reads
from jaxlrm.verify.programs.tools import Interpreter

FAMILY = extend.get("programs")
KINDS = programs._KINDS
LEVELS = list(extend.LEVELS)


def draw(level: int, count: int) -> list[extend.Problem]:
    rng = random.Random(f"programs/{level}")
    return [FAMILY.sample(rng, level) for _ in range(count)]


def cut(problem: extend.Problem):
    """The programs up to each output, and that output."""
    lines = []
    for index, step in enumerate(problem.steps):
        if index in problem.outputs:
            yield (tuple(lines[:-1]), lines[-1]), step
        else:
            lines.append(step)


def test_outputs_are_those_of_the_sandbox():
    wanted = [pair for lv in LEVELS for p in draw(lv, 30) for pair in cut(p)]
    for kind in KINDS:
        rng = random.Random(kind.phrases[0])
        for level in (1, 3, 7):
            part = programs._Part(kind, kind.draw(rng, level))
            *setup, last = (PROMPT + line for line in part.lines)
            wanted.append(((tuple(setup), last), str(part.value)))
    assert len(wanted) > 200
    # Many chains in one program: a process for each would take a minute.
    with Interpreter(deadline=20) as interpreter:
        runs = interpreter.sandbox.run_many(
            session([branch for branch, _ in wanted[i::4]]) for i in range(4)
        )
    for i, run in enumerate(runs):
        assert run.stdout.splitlines() == [text for _, text in wanted[i::4]]


def session(branches) -> str:
    """A program that shows what each branch's last line gives."""
    return (
        "import contextlib, io\n"
        "def show(line, names):\n"
        "    exec(compile(line[4:] + '\\n', '', 'single'), names)\n"
        f"for *setup, last in {[(*e, p) for e, p in branches]!r}:\n"
        "    names = {}\n"
        "    with contextlib.redirect_stdout(io.StringIO()):\n"
        "        for line in setup:\n"
        "            show(line, names)\n"
        "    show(last, names)\n"
    )


def test_a_few_chains_line_by_line():
    drawn = [p for level in (2, 5, 7) for p in draw(level, 6)]
    wanted = [pair for problem in drawn for pair in cut(problem)]
    with Interpreter() as interpreter:
        found = interpreter.outputs([branch for branch, _ in wanted])
        assert found == [text for _, text in wanted]
        for problem in drawn:  # the silent lines show nothing
            lines = [s for s in problem.steps if s.startswith(PROMPT)]
            silent = [
                (tuple(lines[:i]), line)
                for i, line in enumerate(lines)
                if problem.steps.index(line) + 1 not in problem.outputs
            ]
            assert not any(interpreter.outputs(silent))


@pytest.mark.parametrize("level", LEVELS)
def test_the_form_of_chains(level):
    for problem in draw(level, 100):
        *session, last = problem.steps
        assert last == ANSWER + problem.answer
        assert problem.steps[problem.outputs[-1]] == problem.answer
        assert problem.outputs[-1] == len(session) - 1
        assert re.fullmatch("-?[0-9]{1,16}", problem.answer)
        written = [s for i, s in enumerate(session) if i not in problem.outputs]
        assert all(line.startswith(PROMPT) for line in written)
        assert len(set(written)) == len(written) <= 12
        assert max(map(len, written)) <= 60


def test_every_phrase_of_every_kind_is_read_alike():
    rng = random.Random(1)
    for kind in KINDS:
        for level in (1, 4, 7):
            part = programs._Part(kind, kind.draw(rng, level))
            noun, *questions = (
                phrase.format(**part.parameters) for phrase in kind.phrases
            )
            asked = [ask.format(noun) for ask in programs._ASK]
            for text in (*asked, *questions):
                assert FAMILY.statement(text) == f"python: {noun}", text
            assert len({*asked, *questions}) >= 3


def test_all_kinds_are_drawn():
    texts = "\n".join(p.text for level in (1, 5) for p in draw(level, 200))
    for kind in KINDS:
        found = re.search("|".join(p.pattern for p in patterns(kind)), texts)
        assert found, kind.phrases[0]


def patterns(kind) -> list[re.Pattern]:
    """Its phrases, without names of groups, which do not repeat."""
    return [
        re.compile(re.sub(r"\?P<[a-z]+>", "?:", programs._pattern(p).pattern))
        for p in kind.phrases
    ]


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("How many primes are below 60?", "the number of primes below 60"),
        (
            "Find the remainder when the number of divisors of 12 is divided "
            "by 5.",
            "the remainder when the number of divisors of 12 is divided by 5",
        ),
        (
            "Let x be the number of digits of 9! and y be the Fibonacci number "
            "F(8). What is x*y?",
            "x*y, where x is the number of digits of 9! and y is the Fibonacci "
            "number F(8)",
        ),
        (
            "Let x be the number of digits of 9!, y be the Fibonacci number "
            "F(8) and z be the number of primes below 9. Compute (x*y - z) "
            "modulo 7.",
            "(x*y - z) modulo 7, where x is the number of digits of 9! and y "
            "is the Fibonacci number F(8) and z is the number of primes below "
            "9",
        ),
    ],
)
def test_statements(text, statement):
    assert FAMILY.statement(text) == f"python: {statement}"
    assert reads(FAMILY.statement(text))


@pytest.mark.parametrize(
    "text",
    [
        "How many primes are below x?",
        "How many primes are below 60",
        "How many primes are below 60? And why?",
        "How many primes are below 1234567?",
        "What is the number of primes?",
        "Let x be the number of primes below 9. What is x?",
        "Let x be the number of primes below 9 and y be 7. What is x + y?",
        "Let x be the number of primes below 9 and y be the number of primes "
        "below 8. What is x + z?",
        "Let x be the number of primes below 9 and z be the number of primes "
        "below 8. What is x + y?",
        "Let x be the number of primes below 9 and y be the number of primes "
        "below 8. What is x / y?",
        "How many integers from 1 to 9 are divisible by 2 xor 3?",
    ],
)
def test_other_questions_are_not_read(text):
    assert FAMILY.statement(text) is None


@pytest.mark.parametrize(
    "bomb",
    [
        "Let x be " + " and y be " * 50_000,
        "Let x be " + ", y be the number of primes below 9" * 15,
        "What is the remainder when " * 20 + "?",
        "What is " + "9" * 500 + "?",
        "How many primes are below ٣?",
    ],
)
def test_bombs(bomb):
    assert FAMILY.statement(bomb) is None


@given(st.integers(0, 2**32), st.sampled_from(LEVELS))
def test_a_statement_is_one_line_and_holds_no_answer(seed, level):
    problem = FAMILY.sample(random.Random(seed), level)
    statement = FAMILY.statement(problem.text)
    assert statement is not None and "\n" not in statement
    numbers = set(re.findall("[0-9]+", statement))
    # Beside the start of `from 1 to`, which not all phrases have.
    assert numbers <= {*re.findall("[0-9]+", problem.text), "1"}
