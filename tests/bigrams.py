"""A model that writes what it is told to: one token decides the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from jaxlrm import testing
from jaxlrm.engine.engine import Engine, Learned
from jaxlrm.models import params
from jaxlrm.text import END, Text, train_tokenizer

_LOGIT = 60.0  # of a token that may follow; 0 of all others


def engine(
    follow: Mapping[str, Sequence[str]],
    scores: Mapping[str, float] | None = None,
    **options,
) -> Engine:
    """An engine whose model knows which tokens may follow which.

    Args:
        follow: what may follow a token, in equal parts; the words in it are
            tokens, beside the characters. A prompt is the problem, without
            anything after it; a line is a step; `END` ends an answer.
        scores: logits of the value head where a step ends with this token; 0
            after any other.
        **options: of `Engine`.
    """
    tokenizer = train_tokenizer([], 128)._tokenizer
    words = {*follow, *(word for next in follow.values() for word in next)}
    tokenizer.add_tokens(sorted(w for w in words if len(w) > 1 and w != END))
    text = Text(tokenizer, end=[END], prompt="{problem}", step="\n")
    # Models of a few words more or less share their compiled programs.
    size = -(-text.vocab_size // 16) * 16
    config = testing.model_config(
        vocab_size=size,
        hidden_size=size,
        num_layers=1,
        tie_word_embeddings=False,
    )
    blank = jax.eval_shape(lambda: params.init(config, jax.random.key(0)))
    values = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), blank)
    # What goes through the model is which token it was, times this.
    scale = np.sqrt(config.hidden_size)
    table = np.zeros((config.hidden_size, size), np.float32)
    kernel = np.zeros(config.hidden_size, np.float32)

    def number(word: str) -> int:
        return tokenizer.token_to_id(word)

    for word, after in follow.items():
        for next in after:
            table[number(word), number(next)] = _LOGIT / scale
    for word, logit in (scores or {}).items():
        kernel[number(word)] = logit / scale
    values = values.replace(
        embedding=np.eye(size, dtype=np.float32),
        final_norm=np.ones_like(values.final_norm),
        unembedding=table,
        value_head=values.value_head.replace(kernel=kernel),
    )
    return Engine(Learned(config, values), text, name="bigrams", **options)
