"""Mixtures of experts: which of them read a token, and what they make of it.

Shazeer et al. 2017, "Outrageously large neural networks".
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp


def route(logits: jax.Array, chosen: int, normalise: bool) -> jax.Array:
    """`[..., X]` share of each expert in the result; most are 0.

    Args:
        logits: `[..., X]` of the router.
        chosen: experts that read a token.
        normalise: whether their shares sum to one.
    """
    odds = jax.nn.softmax(logits.astype(jnp.float32), axis=-1)
    top, index = jax.lax.top_k(odds, chosen)
    if normalise:
        top = top / top.sum(-1, keepdims=True)
    # A sum over one-hot vectors: a scatter is slow, and its gradient too.
    one_hot = jax.nn.one_hot(index, logits.shape[-1], dtype=jnp.float32)
    shares = jnp.einsum("...k,...kx->...x", top, one_hot)
    return shares.astype(logits.dtype)


def mix(read: Callable, weights, shares: jax.Array) -> jax.Array:
    """The sum of what experts make of all tokens, by their shares.

    One expert after another, and none that no token has chosen: so the
    weights of those alone are read.

    Args:
        read: from the weights of one expert to its result `[G, B, S, E]`.
        weights: arrays `[X, ...]`.
        shares: `[G, B, S, X]`.
    """

    def add(total, expert):
        own, share = expert

        def read_all(total):
            return total + share[..., None] * read(own)

        used = (share > 0).any()
        return jax.lax.cond(used, read_all, lambda total: total, total), None

    shares = jnp.moveaxis(shares, -1, 0)
    one = jax.tree.map(lambda x: x[0], (weights, shares))
    shape = jax.eval_shape(lambda own, share: read(own), *one)
    nothing = jnp.zeros(shape.shape, shape.dtype)
    return jax.lax.scan(add, nothing, (weights, shares))[0]
