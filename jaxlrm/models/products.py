"""Products of activations with weights, as each backend is quick at them."""

from __future__ import annotations

import functools
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


@struct.dataclass
class Int8:
    """A weight `[E, F]` in eight bits, stored as `[F, E]`.

    Every output has a scale of its own. Where eight-bit products are native
    the activations are rounded to eight bits too, each row by its largest
    (Dettmers et al. 2022, "LLM.int8()", without its outliers).

    Attributes:
        values: `[..., F, E] int8`.
        scale: `[..., F] float32`; the weight is `scale * values`.
    """

    values: jax.Array
    scale: jax.Array

    @classmethod
    def of(cls, weight: jax.Array) -> Int8:
        """The nearest to a weight `[..., E, F]`."""
        turned = jnp.swapaxes(weight, -1, -2).astype(jnp.float32)
        values, scale = _round(turned)
        return cls(values, scale[..., 0])


Weight = jax.Array | Turned | Int8


def _round(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`[..., E] int8` and `[..., 1]`, whose product is nearest to `x`."""
    largest = jnp.abs(x).max(-1, keepdims=True)
    scale = jnp.where(largest > 0, largest, 1) / 127
    return jnp.round(x / scale).astype(jnp.int8), scale


def product(x: jax.Array, weight: Weight, *, dtype=None) -> jax.Array:
    """`x @ weight`, as a backend is quick at it.

    Args:
        x: `[..., E]`.
        weight: `[E, F]`; of the dtype of `x`, if it is not `Int8`.
        dtype: of the result; by default that of `x`.

    Returns:
        `[..., F]`.
    """
    dtype = dtype or x.dtype
    if isinstance(weight, Int8):
        return _of_int8(x, weight, dtype)
    if x.dtype == jnp.float32:
        return _plain(x, weight, dtype)
    return jax.lax.platform_dependent(
        x,
        weight,
        cpu=functools.partial(_accumulated, dtype=dtype),
        default=functools.partial(_plain, dtype=dtype),
    )


def _plain(x: jax.Array, weight: jax.Array | Turned, dtype) -> jax.Array:
    """With a result of the dtype asked for.

    So devices which share the contracted axis exchange no more than that.
    """
    equation = "...e,ef->...f"
    if isinstance(weight, Turned):
        equation, weight = "...e,fe->...f", weight.values
    return jnp.einsum(equation, x, weight, preferred_element_type=dtype)


def _accumulated(x: jax.Array, weight: jax.Array | Turned, dtype) -> jax.Array:
    """With sums in float32, as a CPU multiplies bfloat16 natively.

    Asked for a bfloat16 result, XLA widens the whole weight first.
    """
    side = 0
    if isinstance(weight, Turned):
        side, weight = 1, weight.values
    result = _of_rows(_rows(x), weight, side, jnp.float32)
    return _shaped(result, x).astype(dtype)


def _of_int8(x: jax.Array, weight: Int8, dtype) -> jax.Array:
    """By native products of eight bits, or of widened weights elsewhere."""

    def native(x, weight):
        values, scale = _round(_rows(x).astype(jnp.float32))
        result = _of_rows(values, weight.values, 1, jnp.int32)
        result = result.astype(jnp.float32) * scale * weight.scale
        return _shaped(result, x).astype(dtype)

    def widened(x, weight):
        result = _plain(x, Turned(weight.values.astype(x.dtype)), jnp.float32)
        return (result * weight.scale).astype(dtype)

    return jax.lax.platform_dependent(
        x, weight, cpu=native, tpu=native, default=widened
    )


def _rows(x: jax.Array) -> jax.Array:
    """`x [..., E]` as `[rows, E]`, of no fewer than a CPU takes at once.

    Of two dimensions, since XLA turns a turned weight back for more.
    """
    matrix = x.reshape(-1, x.shape[-1])
    missing = max(_FEWEST - matrix.shape[0], 0)
    return jnp.pad(matrix, ((0, missing), (0, 0)))


def _of_rows(rows: jax.Array, weight: jax.Array, side: int, dtype) -> jax.Array:
    """`[rows, F]`, summed over the axis `side` of the weight."""
    return jax.lax.dot_general(
        rows,
        weight,
        (((1,), (side,)), ((), ())),
        preferred_element_type=dtype,
    )


def _shaped(result: jax.Array, like: jax.Array) -> jax.Array:
    """`[rows, F]` in the shape of `like [..., E]`."""
    rows = math.prod(like.shape[:-1])
    return result[:rows].reshape(*like.shape[:-1], -1)
