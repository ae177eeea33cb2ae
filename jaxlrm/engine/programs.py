"""Programs in the chains of a search: found where they end, with their output.

A program may span any number of steps: it is looked for in the chain's whole
text. Its real output is what the model reads next, in the form that models are
trained on; what a model wrote in its place is taken away.
"""

from __future__ import annotations

import bisect
from typing import NamedTuple

from jaxlrm.engine.page import Page
from jaxlrm.text import Text
from jaxlrm.verify.blocks import PROMPT, Kind, Piece, split_programs

_CLOSING = "\n```"


class Completed(NamedTuple):
    """A program that a thought has completed.

    Attributes:
        program: for `Interpreter.outputs`.
        length: tokens of the thought up to the program's end, where there are
            others behind it or its step did not end there; else None.
    """

    program: str
    length: int | None


def completed(page: Page, index: int, text: Text) -> Completed | None:
    """The first program that a thought completes; None if it does not.

    Args:
        page: of the problem.
        index: of the thought.
        text: the generator's tokenizer.
    """
    entry = page.entries[index]
    ids = page.ids(entry.thought.parent)
    whole = text.decode([*ids, *entry.tokens])
    known = len(_programs(text.decode(ids)))
    found = _programs(whole)[known:]
    if not found:
        return None
    piece, kind = found[0], entry.thought.kind
    end = len(whole[: piece.end].rstrip("\r\n"))
    rest = whole[end:]
    if piece.content.startswith(PROMPT) and kind != "step":
        # Its line may go on; or the model had no wish to see what it shows.
        if not rest.strip() and not (kind == "open" and rest):
            return None
    if kind == "step" and not rest.strip():
        return Completed(piece.content, None)
    sizes = range(1, len(entry.tokens) + 1)
    length = 1 + bisect.bisect_left(
        sizes,
        end,
        key=lambda size: len(text.decode([*ids, *entry.tokens[:size]])),
    )
    return Completed(piece.content, min(length, len(entry.tokens)))


def join(
    page: Page,
    index: int,
    found: Completed,
    output: str,
    text: Text,
    size: int,
) -> list[int]:
    """Joins the output of a program to its chain, in the place of the rest.

    Args:
        page: of the problem.
        index: of the thought that completed the program; it is changed.
        found: the program.
        output: what it showed, as `Interpreter.outputs` gives it.
        text: the generator's tokenizer.
        size: most tokens of the output.

    Returns:
        The tokens of the output, which the model reads next; some, where its
        own tokens were taken away.
    """
    entry, parent = page.entries[index], page.entries[index].thought.parent
    if found.length is not None:
        entry.tokens = entry.tokens[: found.length]
        begun = page.entries[parent].unfinished if parent >= 0 else ()
        entry.step = text.decode_step((*begun, *entry.tokens))
        entry.unfinished, entry.behind = (), ""
        shown = text.decode(entry.tokens).rstrip()
        page.change(
            index,
            text=shown if begun else shown.lstrip(),
            kind="step",
            tokens=len(entry.tokens),
        )
    ended = text.decode(page.ids(index)).endswith("\n")
    tokens, said = _encode(output, ended, text, size)
    if found.length is not None and not tokens:
        tokens = text.encode("\n")  # what the model reads of a silent program
    entry.program = found.program
    entry.output = tuple(tokens)
    page.change(index, output=said)
    return tokens


def _programs(text: str) -> list[Piece]:
    """The complete programs of a chain."""
    if not any(mark in text for mark in ("```", "~~~", PROMPT)):
        return []
    return [
        piece
        for piece in split_programs(text)
        if piece.kind is Kind.PROGRAM and piece.closed
    ]


def _encode(
    output: str, ended: bool, text: Text, size: int
) -> tuple[list[int], str]:
    """Tokens of an output, and its text without what ends it.

    Args:
        output: a line, "" or a fenced block.
        ended: whether the program's last line has ended.
        text: the generator's tokenizer.
        size: most tokens.
    """
    lead = "" if ended else "\n"
    if not output.startswith("```"):  # a line of a session
        tokens, said = text.encode_output(output, size - len(lead))
        return [*(text.encode(lead) if lead else ()), *tokens][:size], said
    tokens = text.encode(f"{lead}{output}\n")
    if len(tokens) > size:  # the block closes all the same
        closing = text.encode(f"{_CLOSING}\n")
        inside = text.encode(f"{lead}{output.removesuffix(_CLOSING)}")
        tokens = [*inside[: max(size - len(closing), 0)], *closing][:size]
    return tokens, text.decode(tokens).strip()
