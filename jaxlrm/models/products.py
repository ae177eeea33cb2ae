"""Products of activations with weights, as each backend is quick at them."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

_FEWEST = 8  # rows of a bfloat16 product that a CPU does not take one by one


def product(
    x: jax.Array, weight: jax.Array, *, transposed: bool = False, dtype=None
) -> jax.Array:
    """`x @ weight`, accumulated in float32 where a backend is quicker so.

    A CPU multiplies bfloat16 natively only where the result is float32: asked
    for a bfloat16 result, XLA widens the whole weight first. It also takes
    fewer than eight rows one by one. Elsewhere the result has the dtype asked
    for, so that devices which share the contracted axis exchange no more.

    Args:
        x: `[..., E]`.
        weight: `[E, F]` of the dtype of `x`, or `[F, E]` if `transposed`.
        transposed: whether it is.
        dtype: of the result; by default that of `x`.
    """
    dtype = dtype or x.dtype
    equation = "...e,fe->...f" if transposed else "...e,ef->...f"

    def plain(x, weight):
        return jnp.einsum(equation, x, weight, preferred_element_type=dtype)

    def wide(x, weight):
        rows = math.prod(x.shape[:-1])
        padded = x
        if rows < _FEWEST:
            padded = jnp.pad(x.reshape(rows, -1), ((0, _FEWEST - rows), (0, 0)))
        result = jnp.einsum(
            equation, padded, weight, preferred_element_type=jnp.float32
        )
        if rows < _FEWEST:
            result = result[:rows].reshape(*x.shape[:-1], -1)
        return result.astype(dtype)

    if x.dtype == jnp.float32:
        return plain(x, weight)
    return jax.lax.platform_dependent(x, weight, cpu=wide, default=plain)
