"""Numbers in words."""

from __future__ import annotations

import pytest

from jaxlrm.evaluate import words


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (3_145_728, "3.15 MB"),
        (999_499, "999 kB"),
        (999_700, "1 MB"),
        (999_700_000, "1 GB"),
        (1.5e12, "1.5 TB"),
    ],
)
def test_bytes_have_no_exponent(number, text):
    assert words.format_bytes(number) == text
