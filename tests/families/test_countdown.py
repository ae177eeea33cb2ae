"""Countdown and the Game of 24: chains are legal, unseen hands stay unseen."""

from __future__ import annotations

import random
import re
import time

import pytest

from jaxlrm.families import countdown
from jaxlrm.families.countdown import Countdown, Game24, is_correct, moves
from jaxlrm.families.rules import moves as rule
from jaxlrm.verify.verdict import Verdict

FAMILIES = [Game24(), Game24(unseen=True), Countdown()]
LEVELS = range(1, 8)
each_family = pytest.mark.parametrize(
    "family", FAMILIES, ids=["game24", "unseen", "countdown"]
)
each_level = pytest.mark.parametrize("level", LEVELS)


@each_family
@each_level
def test_chains_are_valid_and_corrupted_ones_are_not(family, level):
    rng = random.Random(level)
    for _ in range(40):
        problem = family.sample(rng, level)
        statement = family.statement(problem.text)
        assert problem.task == family.name
        assert rule.reads(statement)
        for end in range(1, len(problem.steps) + 1):
            steps = list(problem.steps[:end])
            assert rule.check(statement, steps) is Verdict.VALID, steps
            last = steps[-1]
            digits = [i for i, char in enumerate(last) if char.isdigit()]
            index = rng.choice(digits)
            other = str((int(last[index]) + rng.randint(1, 9)) % 10)
            steps[-1] = last[:index] + other + last[index + 1 :]
            assert rule.check(statement, steps) is not Verdict.VALID, steps
        assert rule.check_answer(statement, problem.steps) is Verdict.VALID
        assert rule.answer(statement, problem.steps) == problem.answer
        assert is_correct(statement, problem.answer)


def test_long_products_are_worked_out():
    rng, seen = random.Random(0), 0
    for _ in range(200):
        steps = Countdown().sample(rng, 3).steps
        for before, line in zip(("", *steps), steps, strict=False):
            move = re.match(r"([0-9]+) \* ([0-9]+) = ([0-9]+)", line)
            if move is None:
                continue
            factors = move[1], move[2]
            if all(len(n.rstrip("0")) > 1 and int(n) > 13 for n in factors):
                seen += 1
                assert before == f"= {move[3]}"
    assert seen


@each_family
def test_sampling_is_deterministic(family):
    for level in LEVELS:
        one, other = (family.sample(random.Random(5), level) for _ in "ab")
        assert one == other


@each_level
def test_countdown_ranges(level):
    count, high, low_target, high_target = countdown._LEVELS[level]
    rng = random.Random(level)
    for _ in range(100):
        problem = Countdown().sample(rng, level)
        numbers, target = rule.read(Countdown().statement(problem.text))
        assert len(numbers) == count
        assert low_target <= target <= high_target
        assert all(1 <= number <= high for number in numbers)


def test_hands():
    assert len(countdown.hands()) == 1362
    unseen = countdown.unseen_hands()
    assert len(unseen) == 454
    assert unseen < set(countdown.hands())
    lines = countdown._UNSEEN.read_text().splitlines()
    assert lines == [countdown._join(hand) for hand in sorted(unseen)]


def testunseen_hands_are_not_drawn():
    unseen = countdown.unseen_hands()
    rng = random.Random(0)
    for level in range(1, 6):
        for family in FAMILIES:
            for _ in range(100):
                text = family.sample(rng, level).text
                numbers, _ = rule.read(family.statement(text))
                drawn = tuple(sorted(numbers)) in unseen
                assert drawn == (family is FAMILIES[1])


def test_countdown_refuses_an_unseen_hand(monkeypatch):
    """Where every hand is unseen, only the fixed problem is left."""

    class Everything:
        def __contains__(self, hand):
            return True

    monkeypatch.setattr(countdown, "unseen_hands", Everything)
    problem = Countdown().sample(random.Random(0), 2)
    assert problem.answer == "25 + 25 + 25 + 25"
    statement = Countdown().statement(problem.text)
    assert rule.check_answer(statement, problem.steps) is Verdict.VALID


def test_easy_hands_come_first():
    bins = countdown._bins(False)
    ways = [[len(countdown._winning_moves(h)) for h in hand] for hand in bins]
    assert all(
        min(one) >= max(other)
        for one, other in zip(ways, ways[1:], strict=False)
    )


@pytest.mark.parametrize(
    "text, statement",
    [
        ("Use 4, 9, 10, 13 to make 24.", "4, 9, 10, 13 -> 24"),
        (
            "Make 24 using 4, 8, 6, 2. You can only use each number once. "
            "You can use the operators +, -, *, /.\nFinal answer format "
            "instructions:\n1. Provide your final answer as a arithmetic "
            "expression (no '=' sign).\n2. Do not include the target number in "
            "the expression.\n3. Use '*' for multiplication.\n4. Use '/' for "
            "division.\n",
            "4, 8, 6, 2 -> 24",
        ),
    ],
)
def test_game24_reads(text, statement):
    assert Game24().statement(text) == statement
    assert Countdown().statement(text) is None


@pytest.mark.parametrize(
    "text, statement",
    [
        ("Use 39, 14, 93, 51 to make 169.", "39, 14, 93, 51 -> 169"),
        ("Use 4, 9, 10 to make 24.", "4, 9, 10 -> 24"),
        (
            "Find a way to make 119 using all of these numbers: 67, 50, 20, "
            "82.\nEach number can only be used once.\n\nFinal answer format "
            "instructions:\n1. Provide your solution as a arithmetic "
            "expression (no '=' sign).\n5. Do not include any other text or "
            "formatting.",
            "67, 50, 20, 82 -> 119",
        ),
        (
            "Using all the numbers 39, 14, 93, 51, create an expression that "
            "equals 169.\nYou can only use each number once.",
            "39, 14, 93, 51 -> 169",
        ),
        (
            "Calculate 179 using all of these numbers: 73, 85, 1, 42, 14, 49.",
            "73, 85, 1, 42, 14, 49 -> 179",
        ),
    ],
)
def test_countdown_reads(text, statement):
    assert Countdown().statement(text) == statement
    assert Game24().statement(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Use 4 to make 24.",
        "Use 4, 9 to make it.",
        "What is 4 + 9?",
        "Use 4, 9, to make 24.",
        "Use " + "1, " * 10**5 + "1 to make 24.",
        "Use 4, 9, 10, \N{ARABIC-INDIC DIGIT THREE} to make 24.",
    ],
)
def test_other_texts_are_not_read(text):
    assert Game24().statement(text) is None
    assert Countdown().statement(text) is None


def test_moves_are_distinct_and_legal():
    found = moves([4, 4, 10])
    assert len(found) == len(set(found)) == 9
    assert (10, "/", 4, 5 / 2) in found
    assert all(move.result >= 0 for move in found)
    assert {m.operator for m in moves([3, 0])} == {"+", "-", "*", "/"}
    assert [m for m in moves([3, 0]) if m.operator == "/"] == [(0, "/", 3, 0)]


@pytest.mark.parametrize(
    "expression, correct",
    [
        ("8/(3 - 8/3)", True),
        ("8 / (3-(8/3))", True),
        ("8/(3 - 8/3", False),
        ("3*8", False),
        ("8*3 + 8 - 8", False),
        ("(8 - 8)*3 + 24", False),
        ("8/(3 - 3) + 8", False),
        ("8/(3 - 8/3) + 0", False),
        ("24", False),
        ("", False),
        ("8**8**3**3", False),
        ("8" * 300, False),
        ("(" * 200 + "8", False),
        ("8/(3 - 8/3)\n", False),
        ("\ud800", False),
    ],
)
def test_is_correct(expression, correct):
    assert is_correct("3, 3, 8, 8 -> 24", expression) is correct
    assert not is_correct("", expression)


def test_reachable():
    statement = "3, 5, 7, 11, 13, 17 -> 101"
    move = "17 + 13 = 30 left 3, 5, 7, 11, 30"
    assert countdown.reachable(statement, [move])
    assert countdown.reachable("2, 2, 2, 2, 2, 2 -> 997", []) is None
    move = "2 + 2 = 4 left 2, 2, 2, 2, 4"
    assert countdown.reachable("2, 2, 2, 2, 2, 2 -> 997", [move]) is False


def test_sampling_is_fast():
    rng = random.Random(0)
    FAMILIES[0].sample(rng)  # the hands are solved once
    start = time.process_time()
    for _ in range(100):
        for level in LEVELS:
            FAMILIES[0].sample(rng, level)
            FAMILIES[2].sample(rng, level)
    assert time.process_time() - start < 1.4  # 1 ms each; about 0.06 needed
