"""Products of activations with weights, as each backend is quick at them."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import struct

_FEWEST = 8  # rows of a bfloat16 product that a CPU does not take one by one


@struct.dataclass
class Turned:
    """A weight `[E, F]` that is stored as `[F, E]`.

    What is summed then lies together: a CPU multiplies bfloat16 so up to
    twice as fast. The embedding of a model that ties it is its unembedding so.

    Attributes:
        values: `[F, E]`.
    """

    values: jax.Array


Weight = jax.Array | Turned


def product(x: jax.Array, weight: Weight, *, dtype=None) -> jax.Array:
    """`x @ weight`, accumulated in float32 where a backend is quicker so.

    A CPU multiplies bfloat16 natively only where the result is float32: asked
    for a bfloat16 result, XLA widens the whole weight first. It also takes
    fewer than eight rows one by one. Elsewhere the result has the dtype asked
    for, so that devices which share the contracted axis exchange no more.

    Args:
        x: `[..., E]`.
        weight: `[E, F]`, of the dtype of `x`.
        dtype: of the result; by default that of `x`.

    Returns:
        `[..., F]`.
    """
    dtype = dtype or x.dtype
    turned = isinstance(weight, Turned)
    if turned:
        weight = weight.values

    def plain(x, weight):
        equation = "...e,fe->...f" if turned else "...e,ef->...f"
        return jnp.einsum(equation, x, weight, preferred_element_type=dtype)

    def wide(x, weight):
        # Of two dimensions: XLA turns the weight back for more.
        rows = math.prod(x.shape[:-1])
        matrix = x.reshape(rows, -1)
        if rows < _FEWEST:
            matrix = jnp.pad(matrix, ((0, _FEWEST - rows), (0, 0)))
        result = jax.lax.dot_general(
            matrix,
            weight,
            (((1,), (1 if turned else 0,)), ((), ())),
            preferred_element_type=jnp.float32,
        )
        return result[:rows].reshape(*x.shape[:-1], -1).astype(dtype)

    if x.dtype == jnp.float32:
        return plain(x, weight)
    return jax.lax.platform_dependent(x, weight, cpu=wide, default=plain)
