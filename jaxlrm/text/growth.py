"""How much longer a tokenizer may make a text.

The library aborts the process where memory ends, so a normaliser that
multiplies a text is refused before anything is encoded. Not covered: regular
expressions that take long, and maps of characters in binary (`Precompiled`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jaxlrm import files

MOST = 256  # what published tokenizers do stays below 10


def check_growth(tokenizer: Any) -> None:
    """Refuses a tokenizer whose replacements may multiply a text.

    Args:
        tokenizer: of `tokenizers`.

    Raises:
        ValueError: the normaliser or the decoder may make a text more than
            `MOST` times as long.
    """
    for name in ("normalizer", "decoder"):
        part = getattr(tokenizer, name)
        if part is None:
            continue
        try:
            described = files.parse_json(part.__getstate__(), name)
        except (TypeError, AttributeError):  # one written in Python
            continue
        growth = 1.0
        for content, pattern in _replacements(described):
            growth *= _growth(content, pattern)
        if not growth <= MOST:
            raise ValueError(
                f"the {name} may make a text {growth:.3g} times as long by "
                f"replacements; at most {MOST} times is read"
            )


def _replacements(described: Any) -> Iterator[tuple[str, Any]]:
    """Content and pattern of each replacement, in whatever sequences."""
    if isinstance(described, list):
        for item in described:
            yield from _replacements(item)
    elif isinstance(described, dict):
        if described.get("type") == "Replace":
            yield described.get("content", ""), described.get("pattern")
        for value in described.values():
            if isinstance(value, list | dict):
                yield from _replacements(value)


def _growth(content: str, pattern: Any) -> float:
    text = pattern.get("String") if isinstance(pattern, dict) else pattern
    if isinstance(text, str) and text:
        return max(1.0, len(content) / len(text))
    return 1.0 + len(content)  # may match nothing at all, between characters
