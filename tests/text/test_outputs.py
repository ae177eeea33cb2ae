"""What a model reads of the output of a program that it wrote."""

from __future__ import annotations

import pytest

from jaxlrm import testing
from jaxlrm.text import encode_output, show_output

TEXT = testing.text()  # a token is a character, a line a step
BLOCK = "```output\n12345\n```"


@pytest.mark.parametrize(
    ("output", "size", "ended", "read", "said"),
    [
        ("385", 9, True, "385\n", "385"),
        ("385", 9, False, "\n385\n", "385"),
        ("385", 3, True, "38\n", "38"),
        ("385", 3, False, "\n3\n", "3"),
        ("", 9, True, "", ""),
        ("", 9, False, "\n", ""),
        (BLOCK, 40, True, BLOCK + "\n", BLOCK),
        (BLOCK, 40, False, "\n" + BLOCK + "\n", BLOCK),
        (BLOCK, 17, True, "```output\n12\n```\n", "```output\n12\n```"),
    ],
)
def test_an_output_is_cut_to_a_size(output, size, ended, read, said):
    ids, shown = encode_output(TEXT, output, size, ended=ended)
    assert (TEXT.decode(ids), shown) == (read, said)
    assert len(ids) <= size


@pytest.mark.parametrize(
    ("before", "cut", "read"),
    [
        (">>> n = 1", True, "\n"),
        (">>> n = 1\n", True, "\n"),
        ("n\n", False, ""),
    ],
)
def test_a_silent_program(before, cut, read):
    ids, said = show_output(TEXT, TEXT.encode(before), "", 9, cut=cut)
    assert (TEXT.decode(ids), said) == (read, "")
