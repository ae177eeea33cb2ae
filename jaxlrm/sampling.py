"""Sampling a token from logits: pure functions, one key a row."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def sample(
    logits: jax.Array,
    keys: jax.Array,
    temperature: float,
    top_k: int = 0,
    top_p: float = 1.0,
) -> jax.Array:
    """Draws a token a row.

    Inverts the cumulative distribution at one uniform number a row, so a
    row's token depends on its own logits and key alone.

    Args:
        logits: `[..., V] float32`.
        keys: `[...]` PRNG keys.
        temperature: 0 takes the likeliest token, the first on a tie.
        top_k: keep this many likeliest tokens; 0 keeps all.
        top_p: keep the likeliest tokens up to this total probability, at
            least one (Holtzman et al. 2020).

    Returns:
        `[...] int32`.
    """
    if temperature == 0:
        return logits.argmax(-1).astype(jnp.int32)
    logits = restrict(logits / temperature, top_k, top_p)
    cumulative = jnp.cumsum(jax.nn.softmax(logits), axis=-1)
    draw = jax.random.uniform
    for _ in range(keys.ndim):
        draw = jax.vmap(draw)
    target = draw(keys)[..., None] * cumulative[..., -1:]
    # Tokens of probability zero never win: their cumulative value equals
    # their predecessor's.
    return (
        (cumulative <= target)
        .sum(-1)
        .astype(jnp.int32)
        .clip(max=logits.shape[-1] - 1)
    )


def restrict(logits: jax.Array, top_k: int, top_p: float) -> jax.Array:
    """Sets the logits of tokens outside top-k and top-p to minus infinity."""
    size = logits.shape[-1]
    if 0 < top_k < size:
        least = jax.lax.top_k(logits, top_k)[0][..., -1:]
        logits = jnp.where(logits < least, -jnp.inf, logits)
    if top_p < 1:
        ordered = jnp.sort(logits, axis=-1, descending=True)
        probabilities = jax.nn.softmax(ordered)
        before = jnp.cumsum(probabilities, axis=-1) - probabilities
        kept = (before < top_p).sum(-1, keepdims=True)
        least = jnp.take_along_axis(ordered, kept - 1, axis=-1)
        logits = jnp.where(logits < least, -jnp.inf, logits)
    return logits
