"""Numbers and verdicts in words, for a page and a terminal."""

from __future__ import annotations

from jaxlrm.verify.verdict import Verdict

# Icon and word: colour alone tells some people nothing.
VERDICTS = {
    Verdict.VALID: ("✓", "valid"),
    Verdict.INVALID: ("✗", "invalid"),
    Verdict.UNKNOWN: ("?", "unknown"),
    Verdict.TIMEOUT: ("◷", "timeout"),
    Verdict.ERROR: ("!", "error"),
}


def shorten(text: str, length: int) -> str:
    """`text` on one line, of at most `length` characters."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def percent(share: float) -> str:
    """`97 %` for 0.97."""
    return f"{100 * share:.0f}\N{NARROW NO-BREAK SPACE}%"


def plural(number: int, word: str) -> str:
    """`1 token`, `2 tokens`."""
    return f"{number:,} {word}" + ("" if number == 1 else "s")
