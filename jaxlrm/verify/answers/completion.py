"""What a completion says to its reader, without what stands around it.

Around it stand the thinking of a model, special tokens of its chat template,
the next question where it did not stop, and programs with their output.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from jaxlrm.verify.blocks import PROMPT, Kind, split_programs

# Around what a model thinks before it answers.
_THINKING = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
)
_SPECIAL = re.compile(
    r"<[|\uff5c][^<>|\uff5c\n]{1,40}[|\uff5c]>|</?s>|<(?:eos|bos|pad)>"
    r"|<(?:start|end)_of_turn>|\[/?INST\]"
)
_END_OF_TURN = re.compile(
    r"<[|\uff5c](?:im_end|endoftext|end_of_text|eot_id|eom_id|end|eos|return"
    r"|end[_\u2581]of[_\u2581]sentence|im_start)[|\uff5c]>"
    r"|</s>|<eos>|<end_of_turn>|\[INST\]"
)
# A new question or turn that a model wrote itself.
_NEXT = re.compile(
    r"^[ \t]{0,3}(?:[#*]{1,4} ?){0,2}(?:Question|Problem|Exercise|Instruction"
    r"|Q|User|Human|\u95ee\u9898|\u554f\u984c|\u9898\u76ee)"
    r"(?: ?[0-9]{1,4})?\*{0,2} ?[:\uff1a]",
    re.MULTILINE,
)
_ANSWERED = re.compile(
    r"####[ \t]{0,4}[-$\\(0-9A-Z]|\\boxed|\banswers?\*{0,2}(?: is| are|:)"
    r"|</answer>|\u7b54\u6848[\u662f\u4e3a:\uff1a]|^A: ",
    re.IGNORECASE | re.MULTILINE,
)
# An answer as in GSM8K, and words of one who thinks again.
_MARKED = re.compile(
    r"####[ \t]{0,4}[-$\\(]{0,3}[0-9][^\n]{0,80}$", re.MULTILINE
)
_DOUBTS = re.compile(
    r"\b(?:wait|mistake|error|wrong|incorrect|sorry|actually|check|again|recall"
    r"|verify|correct|answer|hmm|no,)",
    re.IGNORECASE,
)
# Fences of blocks that are no programs.
_FENCE = re.compile(r"^[ \t]{0,3}(?:`{3,9}|~{3,9})[^`\n]{0,80}$", re.MULTILINE)


class Prose(NamedTuple):
    """A completion without its programs.

    Attributes:
        text: without fenced programs, their output and the fences of others.
        output: the last line of what the last program put out; "" if there
            is none.
        tail: is there text after the last program and its output?
    """

    text: str
    output: str
    tail: bool


def spoken(text: str) -> str | None:
    """What is said after the thinking, up to the end of the turn.

    Returns:
        None where the thinking was cut off: nothing was said.
    """
    answer = _after_thinking(text)
    if answer is None:
        return None
    return _up_to_next_question(_first_turn(answer))


def _after_thinking(text: str) -> str | None:
    for opening, closing in _THINKING:
        if opening not in text and closing not in text:
            continue
        before, closed, after = text.rpartition(closing)
        text = after if closed else before or text
        if opening in text:
            return None
    return text


def _first_turn(text: str) -> str:
    if "<" not in text and "INST]" not in text:
        return text
    start, spoken_before = 0, False
    for match in _SPECIAL.finditer(text):
        said = text[start : match.start()].strip()
        # What stands first begins the turn; `assistant` names who speaks.
        spoken_before |= said not in ("", "assistant", "model")
        if spoken_before and _END_OF_TURN.match(match.group()):
            text = text[: match.start()]
            break
        start = match.end()
    return _SPECIAL.sub("", text)


def _up_to_next_question(text: str) -> str:
    if _NEXT.search(text):
        answered = _ANSWERED.search(text)
        following = _NEXT.search(text, answered.end()) if answered else None
        text = text[: following.start()] if following else text
    if text.count("####") > 1:
        marked = _MARKED.search(text)
        if marked:
            between, again, _ = text[marked.end() :].partition("####")
            if again and "?" in between and not _DOUBTS.search(between):
                return text[: marked.end()]
    return text


def without_programs(text: str) -> Prose:
    """Takes programs and their output out of a completion."""
    if not any(mark in text for mark in ("```", "~~~", PROMPT)):
        return Prose(text, "", True)
    kept: list[str] = []
    output, tail = "", True
    for piece in split_programs(text):
        if piece.kind is Kind.PROGRAM:
            output, tail = "", False  # its output is still to come
        elif piece.kind is Kind.OUTPUT:
            output, tail = piece.content.strip().rpartition("\n")[2], False
        else:
            prose = _FENCE.sub("", piece.content)
            kept.append(prose)
            tail = tail or bool(prose.strip())
    return Prose("".join(kept), output, tail)
