"""What a model reads of the output of a program that it wrote."""

from __future__ import annotations

from collections.abc import Sequence

from jaxlrm.text.tokens import Text

_CLOSING = "\n```"


def show_output(
    text: Text, before: Sequence[int], output: str, size: int, *, cut: bool
) -> tuple[tuple[int, ...], str]:
    """Token ids of an output behind its program, and the text they stand for.

    Args:
        text: the model's tokenizer.
        before: tokens of the chain up to the end of the program.
        output: as of `encode_output`.
        size: most tokens.
        cut: whether what the model wrote behind the program was taken away:
            then it reads a line's end at least.
    """
    ended = text.decode(before).endswith("\n")
    ids, said = encode_output(text, output, size, ended=ended)
    if cut and not ids:
        ids = text.encode("\n")
    return tuple(ids), said


def encode_output(
    text: Text, output: str, size: int, *, ended: bool = True
) -> tuple[list[int], str]:
    """Token ids of an output, and the text that they stand for.

    Args:
        text: the model's tokenizer.
        output: a line, which a step delimiter ends; or a fenced block; empty
            is no output.
        size: most tokens; what is over is cut, but a block is closed.
        ended: whether the program's last line has ended.
    """
    lead = [] if ended else text.encode("\n")
    if not output:
        return lead[:size], ""
    if not output.startswith("```"):
        end = text.encode(text.step)
        # Characters that the tokenizer does not know have no text.
        ids = [i for i in text.encode(output) if text.decode([i])]
        ids = ids[: max(size - len(lead) - len(end), 0)]
        return [*lead, *ids, *end][:size], text.decode(ids).strip()
    start = "" if ended else "\n"
    ids = text.encode(f"{start}{output}\n")
    if len(ids) > size:
        closing = text.encode(f"{_CLOSING}\n")
        inside = text.encode(f"{start}{output.removesuffix(_CLOSING)}")
        ids = [*inside[: max(size - len(closing), 0)], *closing][:size]
    return ids, text.decode(ids).strip()
