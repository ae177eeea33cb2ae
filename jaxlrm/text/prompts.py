"""Prompts: how a problem is put to a model (no tokens here, only text)."""

from __future__ import annotations

from jaxlrm.text.templates import Template, TemplateFailure

AUTO, CHAT, COT, TIR, PLAIN = "auto", "chat", "cot", "tir", "plain"
OWN = "own"  # the prompt of a model's text.json, which `auto` prefers

# What the styles ask for. Models answer with programs more often where the
# question ends with the request than where it stands in a system prompt.
_COT = "Please reason step by step, and put your final answer within \\boxed{}."
_TIR = (
    "Write a Python program that computes the answer and prints it, in a "
    "```python block. It is run, and its output is shown to you in a ```output "
    "block. Then give the final answer within \\boxed{}."
)
THINK, ENOUGH = "<think>", "</think>"
SWITCH = "enable_thinking"  # the variable of templates that can do both

_ASKED, _SAID = "jaxlrm asks", "jaxlrm says"  # found again in what is rendered


def system_of(style: str, system: str) -> str:
    """The system prompt: `system`, or else that of the style, if any."""
    return system or (_COT if style == COT else "")


def question_of(style: str, problem: str) -> str:
    """The problem, with what the style asks for behind it."""
    return f"{problem}\n\n{_TIR}" if style == TIR else problem


def converse(
    template: Template, problem: str, system: str, thinking: str = AUTO
) -> str:
    """The prompt that asks `problem` by a chat template.

    A template that has no place for a system prompt, because it raises or
    leaves it out, gets it at the head of the question.

    Args:
        template: of the model.
        problem: its whole text.
        system: the system prompt; empty is the template's own, if any.
        thinking: `on` or `off` set the template's switch; `auto` leaves it as
            the model has it.

    Raises:
        ValueError: the template refuses a question, or has no such switch.
    """
    values = {} if thinking == AUTO else {SWITCH: thinking == "on"}
    asked = {"role": "user", "content": problem}
    if not system:
        text = template.render([asked], **values)
    else:
        try:
            told = {"role": "system", "content": system}
            text = template.render([told, asked], **values)
        except TemplateFailure:
            text = ""
        if system.strip() not in text:
            asked["content"] = f"{system}\n\n{problem}"
            text = template.render([asked], **values)
    if thinking != AUTO:
        _check_thinking(template, thinking)
    return text


def _check_thinking(template: Template, thinking: str) -> None:
    """Refuses what a template cannot be told."""
    known = SWITCH in template.variables
    asked = [{"role": "user", "content": _ASKED}]
    values = {SWITCH: thinking == "on"} if known else {}
    opened = opens_thinking(template.render(asked, **values))
    if thinking == "off" and opened:
        raise ValueError(
            "thinking is off, and the chat template of this model begins "
            "every answer with <think>; use thinking=auto, or limit it by "
            "think_tokens"
        )
    if not known and not opened:
        raise ValueError(
            f"thinking is {thinking!r}, and the chat template of this model "
            f"has no {SWITCH}; use thinking=auto"
        )


def opens_thinking(prompt: str) -> bool:
    """Whether an answer to the prompt begins inside of <think>."""
    return prompt.rfind(THINK) > prompt.rfind(ENOUGH)


def closing(template: Template) -> str:
    """What the template writes after the assistant's words; may be empty.

    It begins with the token that a model is trained to end its turn with.
    """
    turns = [
        {"role": "user", "content": _ASKED},
        {"role": "assistant", "content": _SAID},
    ]
    try:
        text = template.render(turns, asks=False)
    except TemplateFailure:
        return ""
    _, said, after = text.rpartition(_SAID)
    return after.lstrip() if said else ""
