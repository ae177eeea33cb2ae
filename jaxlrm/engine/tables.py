"""What ends a step and an answer, as tables over a model's tokens."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxlrm.config import WHOLE, SearchConfig
from jaxlrm.decode.write import Tables
from jaxlrm.text import Text


def build(text: Text, vocab_size: int, breaks: str = "steps") -> Tables:
    """The tables of a search.

    Args:
        text: the generator's tokenizer.
        vocab_size: `V`, rows of the generator's embedding.
        breaks: what ends a step, see `Text.automaton`.
    """

    def pad(table: np.ndarray) -> jax.Array:
        spare = vocab_size - table.shape[-1]
        return jnp.asarray(
            np.pad(table, [(0, 0)] * (table.ndim - 1) + [(0, spare)])
        )

    automaton = text.automaton(breaks)
    tables = Tables.without_thinking(
        known=pad(text.known),
        ends_answer=pad(text.is_end),
        following=pad(automaton.following),
        ends_step=pad(automaton.ends),
    )
    if text.thinking is None:
        return tables
    begin, end = text.thinking
    blank = [*text.encode("\n\n"), *text.end][0]
    return tables.replace(
        opens=tables.opens.at[begin].set(True),
        closes=tables.closes.at[end].set(True),
        enough=jnp.array([end, blank], jnp.int32),
    )


def of_search(
    config: SearchConfig,
    text: Text,
    steps: Tables,
    *,
    whole: bool,
    by_step: bool,
) -> Tables:
    """The tables of a search.

    Args:
        config: resolved.
        text: the generator's tokenizer.
        steps: tables of `build` for its step delimiters.
        whole: a round writes whole chains.
        by_step: the steps of chains that could be written whole are scored.
    """
    breaks = "fences" if config.tools == "python" else "steps"
    if whole:
        breaks = "none"
    elif config.strategy in WHOLE and not by_step:
        # Their chains are in parts for tools alone; where lines are steps, a
        # line may be a program.
        breaks = "fences" if "\n" in text.steps else "programs"
    found = steps
    if breaks != "steps":
        found = build(text, len(steps.known), breaks)
    style = config.prompt, config.system, config.thinking
    start = len(found.following) * text.opens_thinking(*style)
    return found.replace(start=jnp.asarray(start, jnp.int32))
