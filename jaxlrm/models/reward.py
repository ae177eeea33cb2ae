"""Scores of steps by a learned verifier: on the generator or a model apart."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxlrm.config import ModelConfig
from jaxlrm.models.cache import Context, Segment
from jaxlrm.models.params import Transformer
from jaxlrm.models.transformer import forward


def value_logit(params: Transformer, hidden: jax.Array) -> jax.Array:
    """Logit `[...] float32` that the chain is right so far.

    Read off the hidden state `[..., E]` of a step's last token by the scalar
    head; a score is its sigmoid.
    """
    head = params.value_head
    logit = jnp.einsum("...e,e->...", hidden, head.kernel) + head.bias
    return logit.astype(jnp.float32)


def read_step(
    config: ModelConfig,
    params: Transformer,
    tokens: jax.Array,
    valid: jax.Array,
    start: jax.Array,
    context: Sequence[Context],
    twig: Segment,
) -> tuple[jax.Array, Segment]:
    """One parallel pass of a reward model over the new tokens of each branch.

    The prefix is not read again: it is in `context`.

    Args:
        config: shape of the reward model.
        params: its parameters.
        tokens: `[G, B, S] int32`, left-aligned.
        valid: `[G, B, S] bool`.
        start: `[G, B] int32`, position of the first token.
        context: segments of the reward model's own cache.
        twig: `[G, B, ...]` with `S` slots, to be overwritten.

    Returns:
        `(hidden, twig)`: the hidden state `[G, B, E]` of the last token, and
        the keys and values of the tokens.
    """
    steps = tokens.shape[-1]
    hidden, twig = forward(
        config,
        params,
        tokens,
        start[..., None] + jnp.arange(steps),
        jnp.tri(steps, dtype=bool),
        context,
        twig,
    )
    last = jnp.maximum(valid.sum(-1) - 1, 0)
    hidden = jnp.take_along_axis(hidden, last[..., None, None], axis=2)
    return hidden[:, :, 0], twig
