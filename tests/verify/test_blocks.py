"""Programs and outputs in text: where they are, and what is made up."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm.verify.blocks import (
    Kind,
    completed_program,
    next_program,
    program_of,
    split_programs,
    unfenced,
)

BLOCK = "```python\nprint(2 + 3)\n```"
MADE_UP = f"We add.\n\n{BLOCK}\n```output\n6\n```\n\nSo it is 6."


def kinds(text: str) -> list[tuple[str, str]]:
    return [
        (str(piece.kind), piece.content)
        for piece in split_programs(text)
        if piece.content.strip()
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Just words.\n\nAnd more.", [("text", "Just words.\n\nAnd more.")]),
        (
            MADE_UP,
            [
                ("text", "We add.\n\n"),
                ("program", "print(2 + 3)"),
                ("output", "6"),
                ("text", "\nSo it is 6."),
            ],
        ),
        (
            "```py\na = 2\n\nprint(a)\n```\n\n```\n2\n```",
            [("program", "a = 2\n\nprint(a)"), ("output", "2")],
        ),
        # An output shown without a language, but not behind a program.
        ("Thus:\n```\n2\n```\n", [("text", "Thus:\n```\n2\n```\n")]),
        (
            "~~~~ python\nprint('''\n~~~\n''')\n~~~~\n",
            [("program", "print('''\n~~~\n''')")],
        ),
        (
            "- First:\n   ```python\n   if 1:\n     print(2)\n\n   ```\n",
            [("text", "- First:\n"), ("program", "if 1:\n  print(2)\n")],
        ),
        ("```{.python}\nx\n```", [("program", "x")]),
        ("```python title=a.py\nx\n```", [("program", "x")]),
        ("```\r\nimport math\r\n```\r\n", [("program", "import math")]),
        ("```\nfrom the left we see\n```", [("text", ...)]),
        ("Use ```print(2)``` here.", [("text", "Use ```print(2)``` here.")]),
        (
            ">>> 2 + 3\n5\n>>> 4",
            [("program", ">>> 2 + 3"), ("text", "5\n"), ("program", ">>> 4")],
        ),
        # A prompt inside of a block belongs to the block.
        ("```python\n>>> 2\n", [("program", ">>> 2\n"[:-1])]),
        # A stray fence hides no program.
        (
            "```\nWe add:\n```python\nprint(2)\n```",
            [("text", "```\nWe add:\n"), ("program", "print(2)")],
        ),
    ],
)
def test_pieces(text, expected):
    expected = [(kind, text if c is ... else c) for kind, c in expected]
    assert kinds(text) == expected


@given(
    st.lists(st.sampled_from("``` ~~~ python output x \n \r >>> ".split(" ")))
)
def test_pieces_add_up(words):
    text = "\n".join(words)
    pieces = split_programs(text)
    assert "".join(text[p.start : p.end] for p in pieces) == text
    assert all(p.closed for p in pieces[:-1] if p.kind is Kind.PROGRAM)


def test_what_follows_a_program_is_told_from_what_a_tool_wrote():
    piece = next_program(MADE_UP)
    assert MADE_UP[: piece.end] == f"We add.\n\n{BLOCK}\n"
    real = f"We add.\n\n{BLOCK}\n```output\n5\n```\n"
    assert next_program(real, len(real)) is None
    longer = real + "Then\n" + BLOCK
    assert next_program(longer, len(real)).end == len(longer)


def test_a_block_that_has_not_closed_is_no_program_yet():
    text = "```python\na = 2\n\n"
    assert program_of(text) is None and next_program(text) is None
    (piece,) = split_programs(text)
    assert piece.kind is Kind.PROGRAM and not piece.closed
    assert program_of(text + "print(a)\n```") == "a = 2\n\nprint(a)"


@pytest.mark.parametrize(
    ("code", "program"),
    [
        ("print(3)", "print(3)"),
        ("```python\nprint(3)\n```", "print(3)"),
        ("\n\n```\nx = 3\nx\n```\n", "x = 3\nx"),
        ("~~~\nx = 3\n~~~", "x = 3"),
        ("```py\nprint(3)", "print(3)"),
        ("\ufeff```python\r\nprint(3)\r\n```\r\n", "print(3)"),
        (
            "```python\na = 1\n```\nthen\n```python\nprint(a)\n```",
            "a = 1\nprint(a)",
        ),
        ("s = '''\n```python\nx\n```\n'''", "s = '''\n```python\nx\n```\n'''"),
        ("```json\n{}\n```", "{}"),
        ("```", ""),
        ("", ""),
    ],
)
def test_fences_around_a_program_are_taken_off(code, program):
    assert unfenced(code) == program


@pytest.mark.parametrize(
    "text",
    [
        "```\n" * 200_000,
        "~" * 10**6,
        ">>> x\n" * 100_000,
        "`` `" * 10**5,
        "\r" * 10**6,
    ],
)
def test_the_cost_is_linear(text):
    start = time.process_time()
    split_programs(text)
    unfenced(text)
    assert time.process_time() - start < 10


FENCED = "```py\n1 + 1\n```"


@pytest.mark.parametrize(
    ("before", "step", "kind", "found"),
    [
        ("So:\n", FENCED + "\n", "step", ("1 + 1", None)),
        ("So:\n", FENCED + "\nmade up\n", "step", ("1 + 1", len(FENCED))),
        ("So:\n", FENCED, "answer", ("1 + 1", len(FENCED))),
        ("So:\n", "```py\n1 + 1\n", "step", None),
        ("```py\n1 +", " 1\n```\n", "step", ("1 + 1", None)),
        (FENCED + "\n", "Two.\n", "step", None),
        (FENCED, "\n" + FENCED + "\n", "step", ("1 + 1", None)),
        ("", ">>> 1 + 1\n", "step", (">>> 1 + 1", None)),
        ("", ">>> 1 + 1", "open", None),  # its line may go on
        ("", ">>> 1 + 1\n", "open", (">>> 1 + 1", 9)),
        ("", ">>> 1 + 1\n", "answer", None),  # nobody wants to see it
        ("", ">>> 1 + 1\n2", "answer", (">>> 1 + 1", 9)),
    ],
)
def test_a_step_completes_a_program(before, step, kind, found):
    """Every character is a token."""
    assert completed_program("".join, before, step, kind) == found
