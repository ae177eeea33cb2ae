import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm.verify.answers.extract import bare_answer, extract_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"So \boxed{5}.", "5"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{3} no, wait: \boxed{4}", "4"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed {7}", "7"),
        ("\\boxed{8} is what\nwe wanted", "8"),
        (r"\boxed{3} and then \boxed{\frac{1}{", "3"),
        ("16 - 3 = 13\n#### 13", "13"),
        ("#### 12\n\nnext question", "12"),
        ("The answer is 42.", "42"),
        ("The answer is 3.5. Done.", "3.5"),
        ("the final ANSWER IS: $x = 5$.", "x = 5"),
        ("Answer: 17", "17"),
        ("**Answer:** 17", "17"),
        ("First the answer is 3.\nNo, the answer is 4.", "4"),
        ("2x = 10\nx = 5\n\n", "x = 5"),
        ("$x = 5$", "x = 5"),
        (r"\boxed 7", "7"),
        ("So <answer> 7 </answer>", "7"),
        ("<answer>6</answer> no: <answer>7</answer> bye", "7"),
        ("<think>The answer is 6.</think><answer>7</answer>", "7"),
        ("The answer is 7.</answer>", "7"),
        ("So\n<answer>7", "7"),
        (r"\boxed{\boxed{5}}", r"\boxed{5}"),
        ("She has 3 left.\nA: 18", "18"),
        ("Final Answer: The final answer is $5$. I hope it is correct.", "5"),
        ("The answer is:\n\\[\n\\frac{1}{2}\n\\]", r"\frac{1}{2}"),
        ("**Answer**: 17", "17"),
        ("### Answer\n\nThe answers are 3 and 4.", "3 and 4"),
        ("The answer is (C) because it is larger.", "(C)"),
        ("So the answer is yes!", "yes"),
        ("The correct answer is therefore $\\$18.50$.", r"\$18.50"),
        ("The answer is $x=1$, $y=2$.", "$x=1$, $y=2$"),
        ("Therefore, x = 5.", "x = 5"),
        ("So she has 18 dollars left in total.", "18"),
        ("So she is left with $1,050.50 in total.", "$1,050.50"),
        (
            "Thus the area is $\\frac{1}{2}$ square units.",
            r"$\frac{1}{2}$ square units",
        ),
        ("Final Answer: The largest $n$ is 34.", "34"),
        ("So the area of the triangle is 12 cm.", "12 cm"),
        ("The answer is all reals except 3.", "all reals except 3"),
        ("A: -10", "-10"),
        ("Ans: 5", "5"),
        ("Result: 2/3.", "2/3"),
        ("2 + 3\n= 5", "5"),
        ("We get\n\\[\nx = 5\n\\]", "x = 5"),
        ("The answer is 42。", "42"),
        ("The answer is, of course, 42.", "42"),
        ("\\boxed{5}\n\\boxed{}", "5"),
    ],
)
def test_extract(text, answer):
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is - 42.", "- 42"),
        ("The answer is: - 42", "- 42"),
        ("Answer: - 5/3", "- 5/3"),
        ("The answer is = - 42.", "- 42"),
        ("The answer is - x + 3.", "- x + 3"),
        ("The answer is - $42$.", "- $42$"),
        ("The answer is:\n- 42", "- 42"),
        ("A: - 7", "- 7"),
        ("Thus - 42", "- 42"),
        ("= - 42", "- 42"),
        ("5 - 47\n- 42", "- 42"),
        ("She has - 42 dollars in all", "- 42"),
        ("She has -$42 left in all", "-$42"),
        # Bullets, and differences.
        ("The answer is:\n- $42$", "42"),
        ("The roots:\n- x = 5", "x = 5"),
        ("- Therefore, x = 5.", "x = 5"),
        ("- **42**", "42"),
        ("So he paid 50 - 8 dollars more", "8"),
    ],
)
def test_a_minus_sign_is_no_bullet(text, answer):
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n ",
        r"\boxed{}",
        r"the answer is \boxed{\frac{1}{2}",
        "####",
        "7" * 2000,
    ],
)
def test_no_answer(text):
    assert extract_answer(text) is None


def test_only_the_end_of_a_long_text_is_read():
    assert extract_answer("x" * 10**6 + "\n#### 5") == "5"
    assert extract_answer(r"\boxed{1}" + "x\n" * 10**5 + "y") == "y"


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{" * 10**5,
        r"\boxed{" + "{" * 10**6,
        r"\boxed" + " " * 10**6,
        "answer is " * 10**5,
        "answer is\n" * 10**5,
        "answer is. " * 10**5,
        "}" * 10**6,
        r"\boxed{1}, " * 10**5,
        r"\boxed{12} and " * 10**5,
        (r"\boxed{1}" + " " * 110) * 5000,
        r"\boxed{" * 10**5 + "}" * 10**5,
        r"\boxed{" + "7" * 10**6 + "}",
        r"\boxed{\phantom{" + "a" * 10**5 + "}}",
        "The answer is " + "7" * 10**6,
        "<think>" * 10**5,
        "<think></think>" * 10**5,
        "<|im_end|>" * 10**5,
        "<|" * 10**5,
        "#" * 10**6,
        "#### 5?\n" * 10**5,
        "```python\n" * 10**5,
        "```output\n5\n```\n" * 10**4,
        ">>> x\n" * 10**5,
        "$" * 10**6,
        "*" * 10**6,
        "1:" * 10**6,
        "twenty-" * 10**5,
        "Profit = " * 10**5,
        "Question: the answer is\n" * 10**5,
        "\u7b54\u6848\u662f" * 10**5,
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_hostile_text_takes_linear_time(text):
    start = time.process_time()
    extract_answer(text)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("x = -5", "-5"),
        ("-5 = x", "-5"),
        ("$x = 5$", "5"),
        ("  7 ", "7"),
        (r"x = \frac{1}{2}", r"\frac{1}{2}"),
        ("y = 2x + 1", "y = 2x + 1"),
        ("x = y = 2", "x = y = 2"),
        ("2x = 10", "2x = 10"),
        ("x =", "x ="),
    ],
)
def test_bare_answer(text, answer):
    assert bare_answer(text) == answer


@given(st.text(alphabet=r"\boxed{} #answer:is$=.5" + "\n", max_size=200))
def test_any_text_gives_a_clean_answer_or_none(text):
    answer = extract_answer(text)
    assert answer is None or (answer and answer == answer.strip())
    bare_answer(text)


@given(st.text(alphabet="xy0123456789+-*/^ ", min_size=1).map(str.strip))
def test_what_is_boxed_comes_out(text):
    boxed = extract_answer(rf"so \boxed{{{text}}} holds")
    assert boxed == (text.strip("* ") or None)
