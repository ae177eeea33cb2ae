"""Sampling a token from logits: pure functions, one random number a row."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp


def sample(
    logits: jax.Array,
    uniform: jax.Array,
    temperature: float,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
) -> jax.Array:
    """Draws a token a row.

    Inverts the cumulative distribution at one uniform number a row, so a
    row's token depends on its own logits and number alone. First over groups of
    tokens, then inside the one drawn: a vocabulary shared by devices is summed
    where it lies, and no array as wide as it is accumulated.

    Args:
        logits: `[..., V] float32`.
        uniform: `[...] float32` in [0, 1); unused at temperature 0.
        temperature: 0 takes the likeliest token, the first on a tie; logits
            over it must be finite.
        top_k: keep this many likeliest tokens, and those as likely as the
            last of them; 0 keeps all.
        top_p: keep the likeliest tokens up to this total probability, at
            least one, and those as likely as the last of them (Holtzman et
            al. 2020).
        min_p: keep tokens of at least this share of the likeliest one's
            probability (Nguyen et al. 2024).

    Returns:
        `[...] int32`.
    """
    if temperature == 0:
        return logits.argmax(-1).astype(jnp.int32)
    logits = restrict(logits / temperature, top_k, top_p, min_p)
    # About the square root of V, and a power of two as a model axis is.
    groups = math.gcd(logits.shape[-1], 1 << logits.shape[-1].bit_length() // 2)
    size = logits.shape[-1] // groups
    weights = jax.nn.softmax(logits).reshape(*uniform.shape, groups, size)
    total = weights.sum(-1)
    group, rest = _invert(total, uniform * total.sum(-1))
    # A masked sum instead of a gather: the weights may be on other devices.
    chosen = jnp.arange(groups) == group[..., None]
    inside = jnp.where(chosen[..., None], weights, 0).sum(-2)
    return group * size + _invert(inside, rest)[0]


def _invert(
    weights: jax.Array, target: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Where the cumulative sum of `weights [..., X]` passes `target [...]`.

    Returns:
        The index `[...] int32`, always of a positive weight if there is one,
        and what is left of the target there.
    """
    size = weights.shape[-1]
    cumulative = jnp.cumsum(weights, axis=-1)
    # The sum is made in parallel: rounded, it need not rise with the index,
    # and may move at a weight of zero. The last resort is its highest point.
    reached = jnp.where(weights > 0, cumulative, 0)
    top = reached.max(-1, keepdims=True)
    passed = (reached > target[..., None]) | (reached == top)
    passed &= weights > 0
    index = jnp.where(passed, jnp.arange(size), size - 1).min(-1)
    before = jnp.take_along_axis(cumulative - weights, index[..., None], -1)
    return index.astype(jnp.int32), target - before[..., 0]


def restrict(
    logits: jax.Array, top_k: int, top_p: float, min_p: float = 0.0
) -> jax.Array:
    """Sets the logits of tokens outside of any limit to minus infinity."""
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
    if min_p > 0:
        least = logits.max(-1, keepdims=True) + math.log(min_p)
        logits = jnp.where(logits < least, -jnp.inf, logits)
    return logits
