import pytest

from jaxlrm.verify.answers.boxes import boxed
from jaxlrm.verify.answers.completion import spoken, without_programs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain", "plain"),
        ("<think>a</think>b", "b"),
        ("a</think>b", "b"),
        ("<think>a</think>b</think>c", "c"),
        ("<think>a", None),
        ("<think>a</think><think>b", None),
        ("<thinking>a</thinking>b", "b"),
        ("b<|im_end|>c", "b"),
        ("<|im_start|>assistant\nb<|im_end|>c", "assistant\nb"),
        ("a <b> c </b>", "a <b> c </b>"),
        ("A: 5\nQ: next", "A: 5\n"),
        ("Q: first\nA: 5", "Q: first\nA: 5"),
        ("#### 5\n\nWhat is next?\n#### 6", "#### 5"),
        ("#### 5\n\nWait, is it?\n#### 6", "#### 5\n\nWait, is it?\n#### 6"),
    ],
)
def test_what_is_said(text, said):
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "prose", "output", "tail"),
    [
        ("a\nb", "a\nb", "", True),
        ("a\n```python\nprint(5)\n```\n", "a\n", "", False),
        ("```python\nf()\n```\n```output\n4\n5\n```\nb", "b", "5", True),
        ("```python\nf()\n```\n```output\n5\n```\n", "", "5", False),
        ("a\n```python\nf(", "a\n", "", False),
    ],
)
def test_programs_are_left_out(text, prose, output, tail):
    found = without_programs(text)
    assert found.text.strip() == prose.strip()
    assert (found.output, found.tail) == (output, tail)


def test_other_blocks_keep_what_is_in_them():
    assert "x = 5" in without_programs("```text\nx = 5\n```").text


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{1}, \boxed{2}", "1, 2"),
        (r"\boxed{1} and $\boxed{2}$", "1, 2"),
        (r"\boxed{1} or \boxed{2}", "1 or 2"),
        (r"a = \boxed{1}, b = \boxed{2}", "a = 1, b = 2"),
        (r"a = \boxed{1}, a = \boxed{2}", "1, 2"),
        (r"\boxed{1}, \boxed{1}", "1"),
        (r"\boxed{1}. \boxed{2}", "2"),
        (r"\boxed{1}, then \boxed{2}", "2"),
        (r"\boxed{\frac13} \approx \boxed{0.33}", r"\frac13"),
        (r"\boxed{0.3} \approx \boxed{0.33}", "0.33"),
        (r"\boxed{5} + \boxed{?}", "5"),
        (r"\boxed{ }", None),
        (r"\boxed{1", None),
        ("none", None),
    ],
)
def test_boxes(text, answer):
    assert boxed(text).answer == answer


def test_a_box_that_is_never_closed_is_seen():
    assert boxed(r"\boxed{1").truncated
    assert not boxed(r"\boxed{1}").truncated
    assert boxed(r"\boxed{}").is_empty
