"""The bytes that each token stands for, wherever in a text it stands.

`tokenizers` decodes whole texts only: of a part it drops the first space
(Metaspace), or shows half of a character as U+FFFD. As bytes, tokens simply
follow one another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # of Metaspace and SentencePiece
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def pieces_of(tokenizer, shown: Iterable[str] = ()) -> list[bytes] | None:
    """The bytes of each token, by its id; b"" where there is none.

    Args:
        tokenizer: of the library `tokenizers`.
        shown: special tokens that have text nevertheless; all others have
            none.

    Returns:
        None for a tokenizer whose tokens change with those beside them (such
        as WordPiece).
    """
    decoders = _decoders(tokenizer)
    if decoders is None:
        return None
    read = _reader(decoders)
    vocabulary = tokenizer.get_vocab()
    pieces = [b""] * (max(vocabulary.values(), default=-1) + 1)
    added = tokenizer.get_added_tokens_decoder()
    for token, number in vocabulary.items():
        if number not in added:
            pieces[number] = read(token)
    shown = frozenset(shown)
    for number, token in added.items():
        if not token.special or token.content in shown:
            pieces[number] = token.content.encode()
    return pieces


def _decoders(tokenizer) -> list[dict[str, Any]] | None:
    """The decoder's parts, if this module knows all of them."""
    if tokenizer.decoder is None:
        return None
    whole = json.loads(tokenizer.decoder.__getstate__())
    parts = whole["decoders"] if whole["type"] == "Sequence" else [whole]
    for part in parts:
        if part["type"] == "Replace" and "String" not in part["pattern"]:
            return None
        if part["type"] not in (
            "ByteLevel",
            "Metaspace",
            "Replace",
            "ByteFallback",
            "Fuse",
            "Strip",
        ):
            return None
    return parts


def _reader(parts: list[dict[str, Any]]):
    """`(token) -> bytes` of a decoder; `Strip` is of the text's ends only."""
    kinds = {part["type"] for part in parts}
    if "ByteLevel" in kinds:
        return _byte_level
    replaced = [
        (part["pattern"]["String"], part["content"])
        for part in parts
        if part["type"] == "Replace"
    ]
    for part in parts:
        if part["type"] == "Metaspace":
            replaced.append((part.get("replacement", _SPACE), " "))

    def read(token: str) -> bytes:
        match = _BYTE.fullmatch(token) if "ByteFallback" in kinds else None
        if match:
            return bytes.fromhex(match[1])
        for old, new in replaced:
            token = token.replace(old, new)
        return token.encode()

    return read


def _byte_table() -> dict[int, str]:
    """The character of each byte in GPT-2's alphabet, turned around."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in set(plain)]
    table = {byte: chr(byte) for byte in plain}
    table |= {256 + i: chr(byte) for i, byte in enumerate(others)}
    return table


_BYTES = _byte_table()
_ALPHABET = frozenset(map(chr, _BYTES))


def _byte_level(token: str) -> bytes:
    if _ALPHABET.issuperset(token):
        return token.translate(_BYTES).encode("latin-1")
    return token.encode()  # as the library does
