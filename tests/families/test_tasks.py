"""Generated families: their answers are right and their steps are provable."""

from __future__ import annotations

import random
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm import extend
from jaxlrm.extend import rule_for
from jaxlrm.families import NAMES, task
from jaxlrm.families.arithmetic import render
from jaxlrm.families.linear import signed_sum
from jaxlrm.verify.steps import (
    chain_answer,
    check_answer,
    check_chain,
    check_solution,
)
from jaxlrm.verify.steps.malformed import is_malformed
from jaxlrm.verify.verdict import Verdict

SEEDS = st.integers(0, 2**64)
FAMILIES = list(map(extend.get, NAMES))
each_family = pytest.mark.parametrize(
    "family", FAMILIES, ids=[family.name for family in FAMILIES]
)
each_level = pytest.mark.parametrize("level", extend.LEVELS)


def draw(family, level: int, count: int) -> list[extend.Problem]:
    rng = random.Random(f"{family.name}/{level}")
    return [family.sample(rng, level) for _ in range(count)]


def sound(family) -> Verdict:
    """Of a right step: nobody knows whether a program is the right one."""
    return Verdict.UNKNOWN if family.name == "programs" else Verdict.VALID


def value(expression: str) -> Fraction:
    """Of a generated expression: whole numbers, operators, brackets."""
    assert re.fullmatch(r"[-+*/() 0-9]+", expression), expression
    return eval(re.sub("([0-9]+)", r"Fraction(\1)", expression))


@pytest.mark.parametrize(
    "said", ["Answer: 3! = 6", "Answer: 7. = 3 + 4", r"\boxed{4*x = 8}"]
)
def test_the_answer_is_what_the_last_line_says(said):
    """What is said above it may be true and no answer."""
    statement = extend.recognise("Solve 2*x = 4 for x.").statement
    assert chain_answer(statement, [said, "x = 2"]) == "2"


@pytest.mark.parametrize(
    "text",
    [
        "Find the prime factorization of 12. Then add up the factors.",
        "What is 9 - 3 2?",
        "Let f(x) = 1 2*x. Give f(2).",
    ],
)
def test_other_problems_are_not_taken_for_these(text):
    assert extend.recognise(text) is None


def test_the_families():
    known = [n for n in extend.names() if extend.home(n) == "jaxlrm.families"]
    assert known == list(NAMES) and len(NAMES) == 13
    with pytest.raises(ValueError, match="'algebra'.*linear, system, arith"):
        extend.get("algebra")


# --- Every family at every level --------------------------------------------


@each_family
@each_level
def test_worked_chains_are_valid(family, level):
    expected = sound(family)
    for problem in draw(family, level, 6):
        reading = extend.recognise(problem.text)
        statement, steps = reading.statement, problem.steps
        for end in range(1, len(steps)):
            verdict = check_chain(statement, steps[:end])
            assert verdict is expected, (problem.text, steps[:end])
        assert check_answer(statement, steps) is expected, problem
        assert check_solution(statement, steps) is expected
        assert chain_answer(statement, steps) == problem.answer


@each_family
@each_level
def test_no_chain_is_finished_before_its_end(family, level):
    for problem in draw(family, level, 3):
        statement = extend.recognise(problem.text).statement
        for end in range(1, len(problem.steps)):
            found = check_answer(statement, problem.steps[:end])
            if found is Verdict.VALID:  # then it is the answer
                early = chain_answer(statement, problem.steps[:end])
                assert family.accepts(statement, early, problem.answer)


@each_family
@each_level
def test_sampling_is_deterministic(family, level):
    again = draw(family, level, 4)
    assert draw(family, level, 4) == again
    assert len({problem.text for problem in again}) > 1
    for problem in again:
        assert problem.task == family.name
        assert isinstance(problem.steps, tuple) and problem.steps
        assert "\n" not in problem.text.join(problem.steps)


@each_family
def test_the_middle_level_is_the_default(family):
    drawn = [family.sample(random.Random(s)) for s in range(5)]
    assert drawn == [family.sample(random.Random(s), 3) for s in range(5)]


def test_draw_takes_a_level_or_one_of_training():
    gcd, game24 = extend.get("gcd"), extend.get("game24")
    drawn = extend.draw("gcd@6", random.Random(1))
    assert drawn == gcd.sample(random.Random(1), 6)
    rng = random.Random(2)
    texts = [extend.draw("game24", rng).text for _ in range(60)]
    numbers = {len(game24.statement(text).split(",")) for text in texts}
    assert numbers == {4}  # level 6 has five
    with pytest.raises(ValueError, match="unknown level '8' in 'gcd@8'"):
        extend.draw("gcd@8", rng)
    with pytest.raises(ValueError, match="unknown task 'chess'"):
        extend.draw("chess", rng)


@each_family
@each_level
def test_a_family_reads_its_own_phrasing(family, level):
    for problem in draw(family, level, 6):
        readers = [f for f in FAMILIES if f.statement(problem.text)]
        assert family in readers
        # A sum without products is both; the answer is the same.
        allowed = {"arithmetic", "rational"} | {family.name}
        if family.name in ("arithmetic", "rational"):
            assert {f.name for f in readers} <= allowed
        else:
            assert readers == [family]
        found = extend.recognise(f"  {problem.text}\nAnswer in one line.")
        assert found == extend.recognise(problem.text)
        assert found.family is readers[0]
        assert found.statement == family.statement(problem.text)
        assert found.question == problem.text
        assert rule_for(found.statement) or family.name == "linear"


@each_family
@pytest.mark.parametrize(
    "more",
    [
        "Multiply it by 10.",
        "Tom has five apples. How many has he?",
        "Give twice the answer.",
        "1. Multiply the answer by 10.",
        "Think step by step. Multiply it by 10.",
        "Think step by step.\nMultiply it by 10.",
        "Final answer format instructions:\n1. Add one.",
        "1. Use ** instead of ^ to represent powers. For example, add 1.",
    ],
)
def test_a_problem_of_which_a_family_reads_a_part_is_not_its_own(family, more):
    for problem in draw(family, 1, 2):
        for between in ("\n", "\n\n", " \n ", "\r\n", " "):
            assert extend.recognise(problem.text + between + more) is None
            assert extend.recognise(more + between + problem.text) is None


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("linear", r": \d+ - \d+\*[a-z] = -\d+"),
        ("linear", r": -\d+\*[a-z] - \d+ = -\d+"),
        ("linear", r": \d+\*[a-z] = \d+"),
        ("rational", r"Calculate -\( .* \)\."),
        ("rational", r"Calculate .* [-+*] -\( .* \)\."),
    ],
)
def test_forms_of_reasoning_gym(name, form):
    """Which the model would not know, were they not drawn."""
    drawn = draw(extend.get(name), 3, 1000)
    assert any(re.search(form, problem.text) for problem in drawn)


@each_family
@each_level
def test_accepts_the_answer_and_no_other(family, level):
    for problem in draw(family, level, 3):
        statement = family.statement(problem.text)
        gold = problem.answer
        assert family.accepts(statement, gold, gold)
        assert family.accepts(statement, f" {gold} ", gold)
        for other in (f"{gold} + 1", f"1{gold}", "", "?", "-", "\ud800"):
            assert not family.accepts(statement, other, gold), other


# (family, statement, gold): right forms of other models, and what is wrong.
SPELLINGS = {
    ("rational", "", "1/2"): (
        [r"\frac{1}{2}", r"\frac12", "$1/2$", "1 / 2", ".5", "(1/2)", "½."],
        ["(1)/2", "x=1/2", r"-\frac{1}{2}", r"1\frac{1}{2}", "50%", "1/2)"],
    ),
    ("rational", "", "-1/2"): (
        [r"-\frac{1}{2}", r"\frac{-1}{2}", "−1/2", "- 1/2", "(-1/2)"],
        ["1/2", "-(-1/2)", "--1/2"],
    ),
    ("linear", "2*x = 10", "5"): (
        ["x=5", "$x = 5$.", "+5"],
        ["y=5", "=5", "2x=10", "x = 10/2 = 5", "5!"],
    ),
    ("system", "x + y = 3, x - y = 7 for x", "5"): (
        ["x = 5"],
        ["y = 5", "x = 5, y = -2"],
    ),
    ("arithmetic", "1000 + 234", "1234"): (
        ["1,234", "1{,}234"],
        ["12,34", "x = 1234", "1000 + 234", "1000 + 234 = 1234"],
    ),
    ("expand", "", "x**2 + 3*x + 2"): (
        ["x^2 + 3x + 2", "+x**2 + 3*x + 2", "x²+3x+2.", r"$x^{2}+3\cdot x+2$"],
        ["x2+3x+2", "x^{2}0+3x+2", r"x\cdot\cdot2+3x+2", "(x+1)(x+2)"],
    ),
    ("differentiate", "", "2*x*y - 1"): (
        ["2xy − 1", r"2 x \cdot y - 1"],
        ["2xy + 1", "xy + xy - 1"],
    ),
    ("factors", "factors(12)", "2 × 2 × 3"): (
        [r"2 \times 2 \times 3", "2 · 2 · 3", "2*2*3", "2 × 2 × 3."]
        + ["02 × 2 × 3", r"$2^{2} \cdot 3$", "2 x 2 x 3"],
        ["2^2", "2^3 × 3", r"2\cdot\cdot2 × 3", "2^{2}3", "2 × 2 × 3 × 2^0"],
    ),
    ("game24", "4, 6 -> 24", "4*6"): (
        ["4×6", "$4*6$", "4*6 = 24", r"4 \times 6"],
        ["4*6 = 25", "24 = 24", "4*6 = 24 = 24", "46"],
    ),
    ("countdown", "1, 2, 2 -> 1", "2 - 2/(1*2)"): (
        [r"\frac{2}{2} \cdot 1", r"\frac{2}{\frac{2}{1}} = 1"],
        [r"2\frac{1}{2}", "2^1 - 2"],
    ),
}


@pytest.mark.parametrize("case", SPELLINGS, ids=lambda case: case[0])
def test_accepts_the_spellings_of_other_models(case):
    name, statement, gold = case
    right, wrong = SPELLINGS[case]
    accepts = extend.get(name).accepts
    assert [s for s in right if not accepts(statement, s, gold)] == []
    assert [s for s in wrong if accepts(statement, s, gold)] == []


@each_family
def test_harder_levels_are_longer(family):
    """On the average of a few levels, most clearly those beyond training."""
    sizes = []
    for level in extend.LEVELS:
        drawn = draw(family, level, 60)
        sizes.append(sum(len("\n".join(p.steps)) for p in drawn) / 60)
    easy, middle, hard = sum(sizes[:3]), sum(sizes[2:5]), sum(sizes[4:])
    # Levels 1 to 5 of some families differ in kind more than in size.
    flat = family.name in ("differentiate", "game24")
    assert easy < (1.1 if flat else 0.85) * middle
    assert middle < 0.85 * hard
    assert max(sizes) == max(sizes[5:])


@each_family
def test_a_wrong_digit_is_not_valid(family):
    """Hardly ever: by luck a line may be true, mostly where a factor is 0."""
    rng = random.Random(0)
    valid = count = 0
    for level in extend.LEVELS:
        for problem in draw(family, level, 8):
            statement = extend.recognise(problem.text).statement
            for end in range(len(problem.steps)):
                *steps, last = problem.steps[: end + 1]
                places = [i for i, char in enumerate(last) if char.isdigit()]
                if not places:
                    continue
                at = rng.choice(places)
                digit = (int(last[at]) + rng.randint(1, 9)) % 10
                steps.append(f"{last[:at]}{digit}{last[at + 1 :]}")
                valid += check_chain(statement, steps) is Verdict.VALID
                count += 1
    assert count > 100
    assert valid < 0.03 * count


@each_family
def test_a_repeated_line_is_not_valid(family):
    for level in (1, 5):
        for problem in draw(family, level, 3):
            statement = extend.recognise(problem.text).statement
            for end in range(1, len(problem.steps) + 1):
                steps = [*problem.steps[:end], problem.steps[end - 1]]
                verdict = check_chain(statement, steps)
                assert verdict is Verdict.INVALID, steps


@pytest.mark.parametrize("name", ["linear", "arithmetic", "rational"])
@each_level
def test_answers_are_right(name, level):
    for problem in draw(extend.get(name), level, 10):
        statement = extend.recognise(problem.text).statement
        filled = re.sub("[a-z]", f"({problem.answer})", statement)
        sides = {value(side) for side in filled.split("=")}
        if name != "linear":
            sides.add(Fraction(problem.answer))
        assert len(sides) == 1


# --- Reading ----------------------------------------------------------------


@each_family
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "?",
        "What is ?",
        "What is  ?",
        "What is two plus two?",
        "What is 2 + 2 and 3?",
        "What is -?",
        "Calculate ().",
        "Solve for x.",
        "Solve  for x.",
        "Solve world hunger for x.",
        "Solve 2*x for x.",
        "Solve 2*y = 10 for x.",
        "Solve 2*x + y = 10 for x.",
        "Solve 2*x = 10 = 5*x for x.",
        "Solve 4 = 4 for x.",
        "Solve 2*x = 10 for x. Then 3*x = 1 for x.",
        "Solve 2*x = 10\n for x.",
        "x" * 10_000,
        "(" * 10_000,
    ],
)
def test_other_texts_are_not_read(family, text):
    assert family.statement(text) is None
    assert extend.recognise(text) is None


@pytest.mark.parametrize(
    ("text", "name", "statement"),
    [
        ("Solve 12*m = -9*m + 21 for m.", "linear", "12*m = -9*m + 21"),
        ("Solve 2x=10 for x", "linear", "2x=10"),
        (
            "Solve x/2 + 0.5 = (x - 3)*4 for x.",
            "linear",
            "x/2 + 0.5 = (x - 3)*4",
        ),
        ("What is 86 + -80 - (-7 + 6)?", "arithmetic", "86 + -80 - (-7 + 6)"),
        ("1 + 2", "arithmetic", "1 + 2"),
        ("Evaluate 1 - (2 - 3).", "arithmetic", "1 - (2 - 3)"),
        ("Evaluate 1 - (2*3).", "rational", "1 - (2*3)"),
        ("Find the prime factorization of 12.", "factors", "factors(12)"),
    ],
)
def test_statements(text, name, statement):
    reading = extend.recognise(text)
    assert reading.family.name == name
    assert reading.statement == statement
    assert reading.question == text


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading(text):
    found = extend.recognise(text)
    if found is not None:
        check_answer(found.statement, [text])


# --- Draws and prints --------------------------------------------------------


@given(SEEDS, st.sampled_from(list(extend.LEVELS)))
def test_entropy_grows_with_the_level(seed, level):
    found = task.entropy(random.Random(seed), level)
    assert 3 + 1.4 * (level - 1) <= found <= 3 + 1.4 * level


@given(SEEDS, st.integers(1, 5), st.integers(0, 12))
def test_composition(seed, parts, total):
    found = task.composition(random.Random(seed), parts, total)
    assert len(found) == parts and sum(found) == total and min(found) >= 0


@given(SEEDS, st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_dirichlet(seed, weights):
    found = task.dirichlet(random.Random(seed), weights)
    assert sum(found) == pytest.approx(1 if any(weights) else 0)
    for share, weight in zip(found, weights, strict=True):
        assert share >= 0 and (weight or share == 0)


@given(SEEDS, st.floats(0, 12))
def test_integer(seed, entropy):
    assert abs(task.integer(random.Random(seed), entropy)) <= 10**entropy


def test_signed_sum():
    terms = [(3, "x"), (-1, "x"), (-4, ""), (1, "")]
    assert signed_sum(terms) == "3*x - x - 4 + 1"
    assert signed_sum([(-1, "x")]) == "-x"
    assert signed_sum([]) == "0"


def test_render():
    expression = ((1, 4), (-1, ((1, 7), (1, -4))))
    assert render(expression) == "4 - (7 + -4)"


@pytest.mark.parametrize("name", sorted({*NAMES} - {"programs"}))
def test_no_step_is_malformed(name):
    rng = random.Random(7)
    family = extend.get(name)
    for _ in range(100):
        problem = family.sample(rng, rng.choice((1, 3, 5, 7)))
        assert not [line for line in problem.steps if is_malformed(line)]
