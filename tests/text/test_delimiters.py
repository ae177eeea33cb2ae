"""Where steps end, however tokens divide the text."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm.text.delimiters import compile_automaton

BLANK = "\n\n"
PROGRAM = "Let us see:\n```python\nimport math\n\nprint(1)\n```\n"


def divide(
    text: str,
    *delimiters: str,
    fences: bool = False,
    at: list[int] | None = None,
) -> tuple[list[str], str]:
    """Steps and what is left of `text`, its tokens cut `at` these bytes.

    As decoding does it: a state, and two look-ups for a token.
    """
    data = text.encode()
    cuts = [0, *sorted(at or []), len(data)]
    if at is None:
        cuts = list(range(len(data) + 1))
    pieces = [data[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
    automaton = compile_automaton(pieces, delimiters, fences=fences)
    state, ids, before, steps = 0, [], b"", []
    for number in range(len(pieces)):
        ids.append(number)
        ended = automaton.ends[state, number]
        state = automaton.following[state, number]
        if ended:
            step, before = automaton.cut(ids, before)
            steps.append(step.decode(errors="surrogateescape"))
            ids = []
    left = before + b"".join(pieces[i] for i in ids)
    return steps, left.decode(errors="surrogateescape")


@pytest.mark.parametrize(
    ("text", "steps", "left"),
    [
        ("One.\n\nTwo:\n\nThree", ["One.\n\n", "Two:\n\n"], "Three"),
        ("One.\nTwo", [], "One.\nTwo"),
        ("One.\n\n\n\nTwo\n\n", ["One.\n\n", "\n\nTwo\n\n"], ""),
        ("\n\n\nOne\n\n", ["\n\n\nOne\n\n"], ""),  # an empty step is none
        ("\n \n\n x\n\n", ["\n \n\n x\n\n"], ""),
        ("One\n \nTwo", [], "One\n \nTwo"),
        (PROGRAM + "\nSo", [PROGRAM + "\n"], "So"),
        ("```\na\n\nb\n", [], "```\na\n\nb\n"),  # not closed
        ("a ```\nb\n\n", ["a ```\nb\n\n"], ""),  # not at the start of a line
        ("`a`\n\n``\n\n", ["`a`\n\n", "``\n\n"], ""),
        ("```a`b```\n\nc", ["```a`b```\n\n"], "c"),  # code in a line
        ("  ```\n\n  ```\n\nc", ["  ```\n\n  ```\n\n"], "c"),
        ("````\n\n```x\n\n````  \n\nc", ["````\n\n```x\n\n````  \n\n"], "c"),
        (
            "\u00e9\n\n\u6f22\n\n\U0001f600",
            ["\u00e9\n\n", "\u6f22\n\n"],
            "\U0001f600",
        ),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_a_blank_line(text, steps, left, whole):
    """Byte by byte, and as one token, which ends one step at most."""
    if not whole:
        assert divide(text, BLANK) == (steps, left)
    elif steps:
        first = steps[0]
        assert divide(text, BLANK, at=[]) == ([first], text[len(first) :])


def test_the_line_that_closes_a_program_ends_a_step():
    """Then the program is run, before its output is made up."""
    text = PROGRAM + "```output\n1\n```\n"
    assert divide(text, BLANK, fences=True) == (
        [PROGRAM, "```output\n1\n```\n"],
        "",
    )
    assert divide("a\n\n" + PROGRAM + "b\n\n", fences=True) == (
        ["a\n\n" + PROGRAM],
        "b\n\n",
    )
    assert divide(PROGRAM + "b\n", "\n", fences=False) == (
        ["Let us see:\n", PROGRAM.removeprefix("Let us see:\n"), "b\n"],
        "",
    )


@pytest.mark.parametrize(
    ("text", "delimiters", "steps", "left"),
    [
        ("a\nb\n\nc\n", ["\n"], ["a\n", "b\n", "\nc\n"], ""),
        ("a## Step b", ["## Step"], ["a## Step"], " b"),
        ("## Step 1## Step 2", ["## Step"], ["## Step 1## Step"], " 2"),
        ("a#### Step b", ["## Step"], ["a#### Step"], " b"),
        ("x;y\n\nz", [BLANK, ";"], ["x;", "y\n\n"], "z"),
        ("ababac-", ["abac"], ["ababac"], "-"),
        ("one. two", [". "], ["one. "], "two"),
        ("xxx", ["x"], ["xx"], "x"),
    ],
)
def test_other_delimiters(text, delimiters, steps, left):
    assert divide(text, *delimiters) == (steps, left)


def test_a_token_may_go_on_behind_a_delimiter():
    """Its tail is the beginning of the next step's text, and of its state."""
    pieces = [
        b"One",
        b".\n\nSo ",
        b"on",
        b"\n\n```py\n",
        b"x",
        b"\n\n",
        b"```\n",
    ]
    automaton = compile_automaton(pieces, [BLANK])
    state = automaton.following[0, 0]
    assert automaton.ends[state, 1]
    state = automaton.following[state, 1]
    assert automaton.cut([0, 1]) == (b"One.\n\n", b"So ")
    state = automaton.following[state, 2]
    assert automaton.ends[state, 3]
    state = automaton.following[state, 3]
    assert automaton.cut([2, 3], b"So ") == (b"So on\n\n", b"```py\n")
    for inside in (4, 5):  # the block began in the tail
        assert not automaton.ends[state, inside]
        state = automaton.following[state, inside]
    state = automaton.following[state, 6]
    assert automaton.ends[state, 5]
    step, tail = automaton.cut([4, 5, 6, 5], b"```py\n")
    assert (step, tail) == (b"```py\nx\n\n```\n\n", b"\n")


def test_special_tokens_may_end_steps():
    pieces = [b"a", b"", b"\n"]
    automaton = compile_automaton(pieces, [BLANK], [1])
    assert automaton.ends[:, 1].all() and not automaton.following[:, 1].any()
    assert automaton.cut([0, 1]) == (b"a", b"")
    plain = compile_automaton(pieces, [BLANK])
    assert not plain.ends[:, 1].any()
    assert plain.following[:, 1].tolist() == list(range(len(plain.ends)))


def test_too_many_states():
    rng = random.Random(0)
    long = ["".join(rng.choices("abcdef\n`", k=60)) for _ in range(20)]
    with pytest.raises(ValueError, match="too long or too many; shorten them"):
        compile_automaton([b"a"], long)


@settings(max_examples=150, deadline=None)
@given(
    text=st.text("a \n`\u6f22", max_size=30),
    cuts=st.lists(st.integers(1, 40), max_size=12),
    fences=st.booleans(),
)
def test_steps_joined_give_back_the_text(text, cuts, fences):
    """Whatever the tokens; and each step has text besides its delimiter."""
    data = text.encode()
    at = sorted({cut for cut in cuts if cut < len(data)})
    steps, left = divide(text, BLANK, fences=fences, at=at)
    joined = "".join(steps) + left
    assert joined.encode(errors="surrogateescape") == data
    assert all(step.strip() for step in steps)
    single, _ = divide(text, BLANK, fences=fences)
    # Larger tokens may hide ends, and never add one.
    assert ends_of(steps) <= ends_of(single)


def ends_of(steps: list[str]) -> set[int]:
    """After how many bytes each of the steps ends."""
    sizes = [len(step.encode(errors="surrogateescape")) for step in steps]
    return set(np.cumsum(sizes, dtype=int).tolist())
